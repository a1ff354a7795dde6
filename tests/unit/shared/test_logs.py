"""What the programs say on standard error: one event a line, in one form, whoever says it."""

import json
import logging
import threading
from collections.abc import Iterator

import pytest
import structlog

from shared import logs

LINES = 'first line\nsecond line "quoted"'


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Put logging back: set_up is meant to be called once a process."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers, root.level = handlers, level
    for library in ("rq", "rq.worker", "botocore", "boto3", "urllib3", "redis"):
        logging.getLogger(library).setLevel(logging.NOTSET)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def fail() -> None:
    """Log an error with a traceback."""
    try:
        raise ValueError(LINES)
    except ValueError:
        structlog.get_logger().exception("an event cannot be shaped", event_id="event-1")


def test_the_json_form_is_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever is logged: text of several lines, tracebacks, what a library says, bytes and objects."""
    logs.set_up("info", "json", role="forwarder")
    structlog.get_logger().info("said", text=LINES, data=b"\xff", thing=object())
    fail()
    logging.getLogger("botocore.retries").warning("a library says %s", LINES)
    said = capsys.readouterr()
    parsed = [json.loads(line) for line in said.err.splitlines()]

    assert ["said", "an event cannot be shaped", f"a library says {LINES}"] == [line["event"] for line in parsed]
    assert ["info", "error", "warning"] == [line["level"] for line in parsed]
    assert {"forwarder"} == {line["role"] for line in parsed}
    assert all(line["timestamp"].endswith("Z") for line in parsed)
    assert "ValueError" in parsed[1]["exception"]
    assert "" == said.out


def test_the_console_form_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    """One line, without colours where it is no terminal."""
    logs.set_up("info", "console", role="fetcher")
    structlog.get_logger().warning("a group cannot be read", group="/aws/lambda/billing")
    said = capsys.readouterr().err

    assert 1 == len(said.splitlines())
    assert "a group cannot be read" in said
    assert "group=/aws/lambda/billing" in said
    assert "\x1b" not in said


@pytest.mark.parametrize("form", ["console", "json"])
def test_levels_below_the_one_asked_for_are_not_said(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    """And a library says nothing below a warning, whatever was asked for."""
    logs.set_up("warning", form, role="fetcher")  # type: ignore[arg-type]
    structlog.get_logger().info("nothing to do")
    logging.getLogger("some.library").info("chatter")
    logs.set_up("debug", form, role="fetcher")  # type: ignore[arg-type]
    logging.getLogger("botocore").info("chatter")

    assert "" == capsys.readouterr().err


def test_rq_adds_no_handler_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    """Its lines would come out twice, and in a form that is not JSON."""
    from rq.logutils import setup_loghandlers

    logs.set_up("info", "json", role="forwarder")
    setup_loghandlers("ERROR")
    logging.getLogger("rq.worker").error("found an unhandled exception, quitting...")
    said = capsys.readouterr()

    assert "found an unhandled exception, quitting..." == json.loads(said.err)["event"]
    assert "" == said.out


def test_a_message_with_percent_signs_is_said_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    """Log groups and reasons may hold any character."""
    logs.set_up("info", "json", role="forwarder")
    structlog.get_logger().error("100 % of /app/%s")

    assert "100 % of /app/%s" == json.loads(capsys.readouterr().err)["event"]


def test_every_line_has_its_role_and_its_code_whoever_says_it(capsys: pytest.CaptureFixture[str]) -> None:
    """The fetcher speaks in many threads, and rules for alerts wait for role and code."""
    logs.set_up("info", "json", role="fetcher")
    log = structlog.get_logger()
    thread = threading.Thread(target=lambda: log.error("cannot be read", what="group /app", why="denied"))
    thread.start()
    thread.join()
    log.info("something new")
    logging.getLogger("botocore").warning("cannot be read")
    parsed = [json.loads(line) for line in capsys.readouterr().err.splitlines()]

    assert [("fetcher", "source-unreadable"), ("fetcher", "other")] == [
        (line["role"], line["code"]) for line in parsed[:2]
    ]
    assert "fetcher" == parsed[2]["role"]


def test_control_characters_do_not_reach_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Names and reasons may be anybody's."""
    logs.set_up("info", "console", role="fetcher")
    structlog.get_logger().warning("a group", group="\x1b[2J", why="a b\r\x9b31m\u202e", data=b"\x1b", more=["\x1b"])
    said = capsys.readouterr().err

    assert r"group=\x1b[2J" in said
    assert said.removesuffix("\n").isprintable()
