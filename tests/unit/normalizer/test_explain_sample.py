"""What a few events of a group tell about its settings."""

import json
from typing import Any

from services.normalizer.explain_sample import MANY_STREAMS, MAX_EVENTS, hints
from tests.unit.normalizer.factories import a_group, a_source, an_event
from tests.unit.normalizer.test_explain import FINDING, GUARDDUTY

SUDO = "Jan  1 00:00:00 web1 sudo[3]: dora : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/ls"


def hinted(messages: list[str], *, log_group: str = "/app", streams: int = 1, **settings: Any) -> list[str]:
    events = [an_event(message, log_stream=f"s{number % streams}") for number, message in enumerate(messages)]
    return hints(a_group(log_group=log_group), a_source(**settings), events)


def test_events_that_look_like_a_family_are_counted_unless_it_is_permitted() -> None:
    """A line for each family, with what to set."""
    messages = [FINDING, FINDING, "x", json.dumps({"a": 1})]
    line = (
        "2 of 4 events look like guardduty, which its name does not permit: if they are to be taken for that, give the "
        'group a source of its own with format = "guardduty"'
    )

    assert [line] == hinted(messages)
    assert [] == hinted(messages, log_group=GUARDDUTY)
    assert [] == hinted([])


def test_sudo_in_many_streams_is_a_reason_for_another_location() -> None:
    """Rule 5403 would alert in each; not so in few streams, nor at a location without the stream, nor for other lines."""
    many = [SUDO] * MANY_STREAMS

    assert ['set location = "Wazuh-AWS:{region}:{log_group}"'] == [
        hint[hint.index("set location") :] for hint in hinted(many, streams=MANY_STREAMS)
    ]
    assert [] == hinted(many, streams=MANY_STREAMS - 1)
    assert [] == hinted(many, streams=MANY_STREAMS, location="Wazuh-AWS:{log_group}")
    assert [] == hinted([SUDO.replace("sudo", "cron")] * MANY_STREAMS, streams=MANY_STREAMS)


def test_of_many_events_the_newest_are_looked_at() -> None:
    """A page may have ten thousand."""
    assert [] == hinted([FINDING] + ["x"] * MAX_EVENTS)
