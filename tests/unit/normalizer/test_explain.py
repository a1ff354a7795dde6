"""What `cwpipe explain` tells is what the service does."""

import json
from typing import Any

import pytest

from services.normalizer.explain import Explanation, explain
from services.normalizer.explain_text import json_of, text_of
from services.normalizer.families.registry import FAMILIES
from services.normalizer.families.stock_rules import PURPOSES
from services.normalizer.shape import Shaper
from shared.errors import SettingsError
from tests.unit.normalizer.factories import a_group, a_source, an_event
from tests.unit.normalizer.test_fidelity import CASES, every_case

FINDING = json.dumps(
    {"source": "aws.guardduty", "detail-type": "GuardDuty Finding", "detail": {"severity": 8, "id": "x"}}
)
GUARDDUTY = "/aws/events/guardduty"
_WITHOUT_FAMILY = {"web", "generic"}


def explained(message: str, *, log_group: str = "/app", log_stream: str = "web", **settings: Any) -> Explanation:
    event = an_event(message, log_stream=log_stream)
    return explain(event, a_group(log_group=log_group), a_source(**settings))


def of_case(case: dict[str, Any]) -> Explanation:
    return explained(case["message"], log_group=case["log_group"], log_stream=case["log_stream"], **case["settings"])


@every_case
def test_the_datagrams_are_those_of_the_service(case: dict[str, Any]) -> None:
    """Byte for byte: an explanation of something else would be worse than none."""
    group, event = a_group(log_group=case["log_group"]), an_event(case["message"], log_stream=case["log_stream"])

    assert Shaper(group, a_source(**case["settings"])).shape(event).datagrams == of_case(case).datagrams


@every_case
def test_the_family_is_named_whose_form_is_sent(case: dict[str, Any]) -> None:
    """An envelope has one; where there is one, the rule of the case is among those that it is built for."""
    told = of_case(case)

    assert told.family or "envelope" not in told.form
    assert told.family in ("", case["family"])
    assert not told.family or set(case["rules"]) <= set(told.rules)
    assert told.family == "".join(row.family for row in told.permitted if row.confirmed) or told.family in (
        "container",
        "journald",
    )


@pytest.mark.parametrize("family", sorted(PURPOSES))
def test_the_rules_of_a_family_are_those_that_were_measured(family: str) -> None:
    """No more and no less: a rule that is named was seen to fire."""
    assert set(PURPOSES[family].rules) == {rule for case in CASES if case["family"] == family for rule in case["rules"]}


def test_every_family_says_what_it_is_for() -> None:
    """A new row of the registry comes with it."""
    assert {family.name for family in FAMILIES} == set(PURPOSES)
    assert {case["family"] for case in CASES} - set(PURPOSES) == _WITHOUT_FAMILY


def test_a_finding_in_a_group_that_does_not_permit_it_is_pointed_out() -> None:
    """The one line that tells why an alert is missing, and what to set."""
    told = explained(FINDING)

    assert ("guardduty",) == told.looks_like
    assert 'a source of its own with format = "guardduty"' in text_of(told)
    assert () == explained(FINDING, log_group=GUARDDUTY).looks_like
    assert () == explained(FINDING, format="guardduty").looks_like


def test_a_permitted_family_says_by_what_and_whether_it_was_confirmed() -> None:
    """The pattern of the name, or the format."""
    by_name = {row.family: row for row in explained(FINDING, log_group=GUARDDUTY).permitted}
    by_format = explained(FINDING, format="guardduty").permitted

    assert ("/aws/events/*", True) == (by_name["guardduty"].permitted_by, by_name["guardduty"].confirmed)
    assert ("/aws/events/*", False) == (by_name["macie"].permitted_by, by_name["macie"].confirmed)
    assert [('format = "guardduty"', True)] == [(row.permitted_by, row.confirmed) for row in by_format]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("colours of a terminal removed", "\x1b[31mred\x1b[0m"),
        ("prefix of a container runtime removed", "2026-01-01T00:00:00.123456789Z stdout F GET /"),
        ("header with an ISO stamp written anew as one of RFC 3164", "2026-01-01T00:00:00.123Z web1 sshd[2]: x"),
        ("header of RFC 5424 written anew as one of RFC 3164", "<38>1 2026-01-01T00:00:00Z web1 sshd 2 - - x"),
        ("priority in front removed", "<38>Jan  1 00:00:00 web1 sshd[2]: x"),
        ("line taken out of the object around it (container)", '{"log":"x","stream":"stdout"}'),
        (
            "line taken out of the object around it (journald)",
            '{"MESSAGE":"x","_HOSTNAME":"web1","SYSLOG_IDENTIFIER":"sshd"}',
        ),
        ("line ends or NULs behind it removed", "x\r\n"),
        ("NULs written as U+2400, what is no character as U+FFFD", "a\0b"),
        ("NULs written as U+2400, what is no character as U+FFFD", "a\ud800b"),
        ("its own keys `cloudwatch` and `integration` renamed with an underscore", '{"integration":"aws"}'),
    ],
)
def test_a_change_is_told(change: str, message: str) -> None:
    """And nothing else is."""
    assert (change,) == explained(message).changes


@pytest.mark.parametrize("message", ["x", "2026-01-01T00:00:00+00:00 web1 sshd[2]: x", '{"a":1}', '{"log":"x"}', ""])
def test_of_what_is_not_changed_no_change_is_told(message: str) -> None:
    """An ISO stamp that analysisd reads stays as it is."""
    assert () == explained(message).changes


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ("a line of text", 'said {"cloudwatch":{"account_id":1}}'),
        ("an object with `cloudwatch`", '{"a":1}'),
        ("an object with `cloudwatch`, behind the header of its line", 'Jan  1 00:00:00 web1 {"a":1}'),
        ("it is no valid one, or nested too deep", '{"a":01}'),
        ("more than 900 levels, or a number of 64 characters", '{"a":' + "[" * 905 + "]" * 905 + "}"),
        ("more than 900 levels, or a number of 64 characters", '{"a":' + "1" * 70 + "}"),
        ("alert of another manager", "Alert Level: 7"),
        ("no strings that could be shortened enough", '{"a":[' + ",".join("1" * 40_000) + "]}"),
    ],
)
def test_the_form_is_told_and_why_a_message_was_wrapped(form: str, message: str) -> None:
    """Who looks for fields that are not there finds the reason."""
    assert explained(message).form.endswith(form) or form in explained(message).form


@pytest.mark.parametrize(
    ("limit", "message", "settings"),
    [
        ("longer than a datagram of 65,535 bytes: sent in 2 parts", "x" * 70_000, {}),
        ("longer than 65,535 bytes: shortened a", json.dumps({"a": "x" * 70_000}), {}),
        ("307 fields: Wazuh reads the first 256", json.dumps({f"k{number}": number for number in range(300)}), {}),
        ("location longer than 8,450 bytes", "x", {"location": "{log_stream}" * 20}),
        ("guardduty was recognised, but cannot be made to fit", None, {"format": "guardduty"}),
    ],
)
def test_a_limit_that_an_event_meets_is_told(limit: str, message: str | None, settings: dict[str, str]) -> None:
    """And none of one that meets none."""
    if message is None:
        message = json.dumps({**json.loads(FINDING), "detail": {"severity": 8, **{f"k{n}": n for n in range(9_000)}}})
    told = explained(message, log_stream="s" * 512, **settings)

    assert [limit] == [line[: len(limit)] for line in told.limits if line.startswith(limit)]
    assert () == explained("x").limits


@pytest.mark.parametrize(
    ("setting", "settings"),
    [
        ("discard_regex", {"discard_regex": "secret"}),
        ("keep_regex", {"keep_regex": "public"}),
        ("", {"keep_regex": "secr"}),
    ],
)
def test_the_rule_that_discards_an_event_is_told(setting: str, settings: dict[str, str]) -> None:
    """Then there is no datagram to show."""
    told = explained("a secret", **settings)

    assert setting == told.discarded_by
    assert bool(setting) == (told.datagrams == ())
    assert not setting or f"{setting} of the source" in text_of(told)


def test_a_rule_that_cannot_be_compiled_is_a_fault_of_the_settings() -> None:
    """As it is at the start of the service."""
    with pytest.raises(SettingsError, match="discard_regex"):
        explained("x", discard_regex="(")


def test_nothing_in_an_event_reaches_the_terminal_as_a_command() -> None:
    """The text shows control characters; JSON has every byte."""
    told = explained("\x1b]0;evil\x07 a\nb \u202e", log_stream="\x1b[2J")
    answer = json.loads(json_of(told))

    assert all(line.isprintable() for line in text_of(told).split("\n"))
    assert r"\x1b]0;evil\x07 a\nb \u202e" in text_of(told)
    assert [datagram.decode() for datagram in told.datagrams] == [one["text"] for one in answer["datagrams"]]


def test_each_part_and_each_record_is_shown() -> None:
    """With its size."""
    text = text_of(explained("x" * 70_000))

    assert "1 of 2, 65,535 of 65,535 bytes" in text
    assert "2 of 2, " in text
