"""Logging: what the programs say on standard error, one event a line, by structlog.

Levels: `info` what an operator may want to know, `warning` something waits or was put aside and needs no hand yet,
`error` somebody has to do something. Libraries that log by the standard module come out in the same form, from
warning on.

Every line has a `code` that does not change with its wording (shared/log_codes.py lists them all), and the `role` that
says it, in whatever thread. A line that repeats itself is counted: see shared/repeats.py. No line holds a secret, and on
a terminal none holds a control character.
"""

import atexit
import logging
import sys
from typing import Any, Literal

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from shared import log_codes, redaction
from shared.repeats import Fields, Repeats
from shared.visible import visible

_SHARED: list[Processor] = [
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]
#: Marks a line that tells how often another was not said.
_COUNT = "_count"


def set_up(level: str, form: Literal["console", "json"], role: str) -> None:
    """Send every log line of this process, ours and the libraries', to standard error. Call once, before any work."""
    shared: list[Processor] = [_Role(role), *_SHARED]
    repeats = Repeats(_say)
    atexit.register(repeats.flush, everything=True)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            _Once(repeats),
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.processors.format_exc_info,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                _coded,
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _without_secrets,
                *_rendered(form),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(getattr(logging, level.upper()))
    for library in ("rq", "botocore", "boto3", "urllib3", "redis"):
        logging.getLogger(library).setLevel(logging.WARNING)


class _Role:
    """Adds the role: by a context variable, threads would not have it."""

    def __init__(self, role: str) -> None:
        self._role = role

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> EventDict:  # noqa: ARG002
        event.setdefault("role", self._role)
        return event


class _Once:
    """Drops a line that was said a moment ago, of those that are counted."""

    def __init__(self, repeats: Repeats) -> None:
        self._repeats = repeats

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> EventDict:  # noqa: ARG002
        if event.pop(_COUNT, False):
            return event
        line = log_codes.BY_EVENT.get(str(event.get("event")))
        if line is None or line.counted_by is None:
            return event
        key = (line.code, *(str(event.get(name, "")) for name in line.counted_by))
        kept: Fields = {name: value for name, value in event.items() if name not in ("exc_info", "stack_info")}
        if event.get("exc_info"):  # of a traceback its end: the whole would keep alive what was worked on
            kept["error"] = _ending(event["exc_info"])
        if not self._repeats.is_new(key, kept | {"level": method}):
            raise structlog.DropEvent
        return event


def _ending(exc_info: object) -> str:
    given = exc_info[1] if isinstance(exc_info, tuple) else exc_info
    return repr(given if isinstance(given, BaseException) else sys.exc_info()[1])


def _say(fields: Fields, repeated: int) -> None:
    """Say how often a line was not said. A `repeated` of 3: three times more than it is to be read."""
    said: dict[str, Any] = dict(fields)
    level, event = said.pop("level"), said.pop("event")
    getattr(structlog.get_logger(), level)(event, **said, repeated=repeated, **{_COUNT: True})


def _coded(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:  # noqa: ARG001
    line = log_codes.BY_EVENT.get(str(event.get("event")))
    ours = log_codes.OTHER if event.get("_from_structlog") else log_codes.LIBRARY
    event["code"] = line.code if line else ours
    return event


def _without_secrets(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:  # noqa: ARG001
    return {name: redaction.said(name, value) for name, value in event.items()}


def _rendered(form: Literal["console", "json"]) -> list[Processor]:
    if form == "json":
        return [structlog.processors.JSONRenderer()]
    return [_harmless, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), pad_event_to=0)]


def _harmless(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:  # noqa: ARG001
    """Write control characters as escapes: a terminal would obey them. A traceback keeps its lines."""
    return {
        visible(name): visible(value, keep="\n" if name == "exception" else "")
        if isinstance(value, str)
        else value
        if isinstance(value, (int, float, bool, type(None)))
        else visible(repr(value))
        for name, value in event.items()
    }
