"""Whoever looks on changes nothing: an explanation shows what the service sends, of any event."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from services.normalizer.explain import explain
from services.normalizer.explain_text import json_of, text_of
from services.normalizer.shape import Shaper
from shared.messages import GroupRef, LogEvent
from shared.settings.model import Source
from tests.properties.strategies import events, groups, long_messages, messages, service_groups, service_messages

AUTO = Source(name="any", regions=("us-east-1",), log_groups=("*",))
FORMATS = st.sampled_from(("auto", "text", "json", "raw", "guardduty", "windows", "vpcflow"))
service = st.builds(GroupRef, account_id=st.just("123456789012"), region=st.just("us-east-1"), log_group=service_groups)


@given(events(messages | service_messages | long_messages), groups | service, FORMATS)
def test_the_datagrams_are_those_of_the_service(event: LogEvent, group: GroupRef, name: str) -> None:
    """Byte for byte; and there are words for whatever it is, of which a terminal takes none for a command."""
    source = msgspec.structs.replace(AUTO, format=name)
    explanation = explain(event, group, source)

    assert Shaper(group, source).shape(event).datagrams == explanation.datagrams
    assert all(line.isprintable() for line in text_of(explanation).split("\n"))
    assert json_of(explanation).isprintable()
