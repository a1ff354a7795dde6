"""What of a value may be printed."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.settings.redact import redacted


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://joe:secret@redis:6379/0", "redis://joe:***@redis:6379/0"),
        ("redis://:secret@redis:6379/0", "redis://:***@redis:6379/0"),
        ("rediss://joe:s@cr/e#t?@redis", "rediss://joe:***@redis"),
        ("redis://joe:http://x@redis", "redis://joe:***@redis"),
        ("unix:///run/redis.sock?db=1&password=secret", "unix:///run/redis.sock?db=1&password=***"),
        ("joe:secret@redis:6379", "joe:***@redis:6379"),
        ("redis:/joe:secret@redis:6379", "redis:***@redis:6379"),
        ("redis://redis:6379/0", "redis://redis:6379/0"),
        ("", ""),
    ],
)
def test_the_password_of_a_url_is_masked(url: str, expected: str) -> None:
    """That of a URL with a mistake in it too: it is printed in the fault that says so."""
    assert expected == redacted("redis_url", url)


@settings(deadline=None)
@given(st.text(min_size=4).filter(lambda password: password not in "redis://joe:***@redis.example/0"))
def test_no_password_shows(password: str) -> None:
    """Whatever characters it is made of, escaped or not."""
    assert password not in redacted("redis_url", f"redis://joe:{password}@redis.example/0")


def test_an_external_id_is_masked_as_a_whole() -> None:
    """It is what keeps others from using the role. An empty one is none, and may be seen to be none."""
    assert "***" == redacted("sources[0].external_id", "agreed")
    assert "" == redacted("sources[0].external_id", "")


def test_other_values_are_left_alone() -> None:
    """An expression may hold a colon and an @ without being an address."""
    assert "user: .*@example" == redacted("sources[0].discard_regex", "user: .*@example")
