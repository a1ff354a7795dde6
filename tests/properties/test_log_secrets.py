"""No log line holds a secret, and none commands a terminal, whatever is said."""

import io
import json
import logging
import re
from collections.abc import Callable, Iterator

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from structlog.stdlib import ProcessorFormatter

from shared import logs, redaction

SECRET = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=30).map(
    lambda text: f"5ecReT{text}"
)
SECRET_NAMES = st.sampled_from(
    ["password", "redis_password", "external_id", "token", "session_token", "aws_secret_access_key", "authorization"]
)
WORDS = st.text(st.sampled_from("abc xyz:/@.,"), max_size=12)


@pytest.fixture(scope="module", params=["json", "console"])
def form(request: pytest.FixtureRequest) -> Iterator[str]:
    root = logging.getLogger()
    before = (root.handlers, root.level)
    logs.set_up("info", request.param, role="fetcher")
    yield request.param
    root.handlers, root.level = before
    structlog.reset_defaults()


def written(say: Callable[..., object], *arguments: object, **fields: object) -> str:
    """Return what reaches standard error."""
    handlers = [one for one in logging.getLogger().handlers if isinstance(one.formatter, ProcessorFormatter)]
    (handler,) = handlers
    assert isinstance(handler, logging.StreamHandler)
    stream = io.StringIO()
    before = handler.setStream(stream)
    say(*arguments, **fields)
    handler.setStream(before)
    return stream.getvalue()


@given(name=SECRET_NAMES, secret=SECRET)
def test_the_value_of_a_secret_is_never_said(form: str, name: str, secret: str) -> None:
    """By the name of its field, alone or within another."""
    log = structlog.get_logger()
    assert "5ecReT" not in written(log.info, "said", **{name: secret})
    assert "5ecReT" not in written(log.info, "said", settings={"a": [{name: secret}]})
    assert "5ecReT" not in written(log.info, "said", **{name: secret.encode()})


@given(
    secret=SECRET,
    before=WORDS,
    scheme=st.sampled_from(["redis", "rediss", "https", "unix"]),
    user=st.sampled_from(["", "me"]),
)
def test_no_password_of_a_url_is_said(form: str, secret: str, before: str, scheme: str, user: str) -> None:
    """In a field, in the text, in what an exception says, and by a library."""
    log = structlog.get_logger()
    text = f"{before} {scheme}://{user}:{secret}@redis.example:6379/0 refuses"
    assert "5ecReT" not in written(log.warning, "said", error=text)
    assert "5ecReT" not in written(log.warning, text)
    assert "5ecReT" not in written(logging.getLogger("redis").warning, "cannot connect: %s", text)
    assert "5ecReT" not in written(log.error, "said", error=ValueError(text))
    try:
        raise ValueError(text)
    except ValueError:
        assert "5ecReT" not in written(log.exception, "said")


@given(text=st.text(max_size=60))
def test_no_text_commands_a_terminal(form: str, text: str) -> None:
    """One line, whose characters can all be shown."""
    out = written(structlog.get_logger().info, "said", group=text, why=[text], data={"a": text})
    assert out.endswith("\n")
    assert out[:-1].isprintable()
    if form == "json":
        assert redaction.without_secrets(text) == json.loads(out)["group"]


@given(text=st.text(st.characters(exclude_characters="=:")))
def test_what_holds_no_secret_is_said_as_it_is(text: str) -> None:
    """Masking must not eat what an operator needs."""
    if not re.search("basic|bearer", text, re.IGNORECASE):
        assert text == redaction.without_secrets(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("there is no socket at /var/ossec/queue", "there is no socket at /var/ossec/queue"),
        ("redis://localhost:6379/0", "redis://localhost:6379/0"),
        ("redis://:p@ss:w/rd@host/0 and more", "redis://:***@host/0 and more"),
        ("https://h/?a=1&X-Amz-Security-Token=abc&b=2", "https://h/?a=1&X-Amz-Security-Token=***&b=2"),
        ("Authorization: Basic dXNlcjpwYXNzd29yZA==", "Authorization: Basic ***"),
    ],
)
def test_secrets_in_a_text_are_masked_and_the_rest_is_not(text: str, expected: str) -> None:
    """What an operator needs stays."""
    assert expected == redaction.without_secrets(text)


@pytest.mark.parametrize("name", ["password_file", "redis_password_file", "group", "why", "event", "stream"])
def test_a_field_that_holds_no_secret_is_shown(name: str) -> None:
    """The name of a file that holds one is none."""
    assert "/run/secret" == redaction.said(name, "/run/secret")
