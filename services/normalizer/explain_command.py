"""`cwpipe explain`: read messages from a file, and say what becomes of each."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from fnmatch import fnmatchcase
from pathlib import Path

from msgspec import Struct

from services.normalizer.explain import explain
from services.normalizer.explain_text import json_of, text_of
from shared.errors import SettingsError
from shared.messages import GroupRef, LogEvent
from shared.settings.load import Loaded
from shared.settings.model import Settings, Source

STANDARD_INPUT = "-"
#: An event has a megabyte at most; with --lines a file may hold many.
MAX_BYTES = 64 * 1024**2
#: As long as CloudWatch's own, and none of theirs.
_EVENT_ID = "0" * 56


class Asked(Struct, frozen=True, kw_only=True):
    """What is to be explained. Empty: a value that says of itself that it is an example, or that of the source."""

    message: str
    log_group: str = ""
    log_stream: str = ""
    source: str = ""
    region: str = ""
    account: str = ""


def explain_file(loaded: Loaded, asked: Asked, say: Callable[[str], None], *, by_line: bool, as_json: bool) -> None:
    """Say what becomes of the message in a file, or of each of its lines. Reads the file and nothing else.

    Raises SettingsError for a file that cannot be read, a source that is not in the settings, or a rule that is none.
    """
    source = _source(loaded.settings, asked)
    group = GroupRef(
        account_id=asked.account or "000000000000",
        region=asked.region or source.regions[0],
        log_group=asked.log_group or "example",
    )
    for number, message in enumerate(_messages(asked.message, by_line=by_line)):
        explanation = explain(_event(message, asked), group, source)
        if not as_json and number:
            say("")
        say(json_of(explanation) if as_json else text_of(explanation))


def _event(message: str, asked: Asked) -> LogEvent:
    now_ms = int(time.time() * 1000)
    return LogEvent(
        event_id=_EVENT_ID,
        log_stream=asked.log_stream or "example",
        timestamp_ms=now_ms,
        ingestion_ms=now_ms,
        message=message,
    )


def _source(settings: Settings, asked: Asked) -> Source:
    """Return the source that is named, or the first that has the group, or one of defaults."""
    if asked.source:
        for source in settings.sources:
            if source.name == asked.source:
                return source
        names = ", ".join(source.name for source in settings.sources) or "none"
        raise SettingsError([f"--source {asked.source}: there is no source of this name, only: {names}"])
    for source in settings.sources:
        in_region = not asked.region or asked.region in source.regions
        if in_region and any(fnmatchcase(asked.log_group, pattern) for pattern in source.log_groups):
            return source
    return Source(name="none of the settings, so defaults", regions=(asked.region or "us-east-1",), log_groups=("*",))


def _messages(name: str, *, by_line: bool) -> Iterator[str]:
    text = _read(name).removesuffix("\n")  # the end of the file's last line, and no part of the message
    yield from text.split("\n") if by_line else [text]


def _read(name: str) -> str:
    try:
        with nullcontext(sys.stdin.buffer) if name == STANDARD_INPUT else Path(name).open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise SettingsError([f"--message {name}: cannot be read: {error.strerror}"]) from None
    if len(content) > MAX_BYTES:
        raise SettingsError([f"--message {name}: is larger than {MAX_BYTES // 1024**2} MiB: take a part of it"])
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        where = f"from byte {error.start + 1}"
        raise SettingsError(
            [f"--message {name}: is not UTF-8 {where}, and CloudWatch Logs holds nothing else"]
        ) from None
