"""What README.md shows is what happens."""

import re
from pathlib import Path

from services.normalizer.shape import Shaper
from shared.messages import GroupRef, LogEvent
from shared.settings.model import Source

README = (Path(__file__).parents[2] / "README.md").read_text()
SOURCE = Source(name="any", regions=("us-east-1",), log_groups=("*",))


def test_the_events_in_the_readme_are_shaped_as_it_says() -> None:
    """A reader decides by these lines whether to go on."""
    message, marked, text = re.findall(r"```text\n(.*?)\n```", README, re.DOTALL)

    assert (marked.encode(),) == _datagrams("/shop/app", message)
    assert (text.encode(),) == _datagrams("/shop/hosts", text.partition(":web-1:")[2])


def test_every_file_the_readme_links_to_exists() -> None:
    """A dead link is the first thing a newcomer clicks."""
    links = re.findall(r"\]\(([^)#]+)\)", README)

    assert [] == [link for link in links if "://" not in link and not (Path(__file__).parents[2] / link).exists()]


def _datagrams(log_group: str, message: str) -> tuple[bytes, ...]:
    event = LogEvent(
        event_id="37000000000000000000000000000000000000000000000000000001",
        log_stream="web-1",
        timestamp_ms=1_767_225_600_123,
        ingestion_ms=1_767_225_602_000,
        message=message,
    )
    group = GroupRef(account_id="123456789012", region="us-east-1", log_group=log_group)
    return Shaper(group, SOURCE).shape(event).datagrams
