"""Where Wazuh shows an event to come from."""

import pytest

from services.normalizer.location import location_of


def test_the_location_names_region_group_and_stream() -> None:
    """In this order and unescaped, as rules test it."""
    location = location_of("us-east-1", "/aws/lambda/fn", "2024/01/01/[$LATEST]abc")

    assert "Wazuh-AWS:us-east-1:/aws/lambda/fn:2024/01/01/[$LATEST]abc" == location


@pytest.mark.parametrize(
    ("expected", "log_stream"),
    [
        ("a\u00a6b", "a|b"),
        ("a\u2192ossec-keepalive", "a->ossec-keepalive"),
        ("a\u2192b", "a-\n>b"),
        ("a->b".replace(">", "\u00a6>"), "a-|>b"),
        ("ab", "a\r\n\t\0\x1b\x7f\x80\x9f\u2028\u2029b"),
        ("\ufffd", "\ud800"),
        ("(x) 1->y".replace("->", "\u2192"), "(x) 1->y"),
        ("", ""),
        ("\u00e9 $#\"'\\", "\u00e9 $#\"'\\"),
    ],
)
def test_what_analysisd_would_take_for_more_than_a_name_is_replaced(expected: str, log_stream: str) -> None:
    """Wazuh 5 has no escape for a bar; an arrow names a module; a line break begins a line in alerts.log."""
    assert f"Wazuh-AWS:eu-west-1:/app:{expected}" == location_of("eu-west-1", "/app", log_stream)


@pytest.mark.parametrize("character", ["x", "\u00e9", "\U0001f600", ":"])
def test_a_long_location_is_cut_where_analysisd_would(character: str) -> None:
    """But between characters, and still distinct: analysisd counts bytes after it has taken off the escapes."""
    one, other = (location_of("us-east-1", "/app", character * 9_000 + end) for end in "12")

    assert one != other
    assert 8_450 - 4 < len(one.encode()) <= 8_450


@pytest.mark.parametrize(
    ("expected", "template"),
    [
        ("Wazuh-AWS", "Wazuh-AWS"),
        ("123456789012/eu-west-1", "{account}/{region}"),
        ("aws:{region}|".replace("|", "\u00a6"), "aws:{log_group}"),
        ("Wazuh-AWS:[1] (x)", "{log_stream}"),
    ],
)
def test_a_template_is_filled_in_once(expected: str, template: str) -> None:
    """No name can bring along a field of its own, nor begin as the name of an agent would."""
    assert expected == location_of("eu-west-1", "{region}|", "[1] (x)", "123456789012", template)


@pytest.mark.parametrize("stream", ["(web) 10.0.0.1->sshd", "\x01(web)", "[001] (web) any"])
def test_no_stream_speaks_for_an_agent(stream: str) -> None:
    """Whatever stands in front of it."""
    assert location_of("", "", stream, "", "{log_stream}").startswith("Wazuh-AWS:")


def test_a_template_that_comes_to_nothing_is_wazuhs_own_location() -> None:
    """analysisd wants one."""
    assert "Wazuh-AWS" == location_of("", "", "\n", "", "{log_stream}")


@pytest.mark.parametrize(
    ("expected", "template"),
    [
        ("Wazuh-AWS-backfill:eu-west-1:/app:[1]", "Wazuh-AWS:{region}:{log_group}:{log_stream}"),
        ("Wazuh-AWS-backfill", "Wazuh-AWS"),
        ("Wazuh-AWS-backfill:aws:/app", "aws:{log_group}"),
        ("Wazuh-AWS-backfill:Wazuh-AWS-2/app", "Wazuh-AWS-2{log_group}"),
        ("Wazuh-AWS-backfill:[1]", "{log_stream}"),
    ],
)
def test_the_location_of_the_past_tells_it_from_what_happens_now(expected: str, template: str) -> None:
    """One beginning for a rule to look at, whatever the template; and never that of an agent."""
    assert expected == location_of("eu-west-1", "/app", "[1]", "123456789012", template, backfill=True)


@pytest.mark.parametrize("template", ["Wazuh-AWS:{log_stream}", "aws:{log_stream}"])
def test_a_long_location_of_the_past_stays_within_bounds(template: str) -> None:
    """The mark at its beginning is not what is cut off."""
    location = location_of("", "", "\u00e9" * 9_000, "", template, backfill=True)

    assert location.startswith("Wazuh-AWS-backfill:")
    assert len(location.encode()) <= 8_450
