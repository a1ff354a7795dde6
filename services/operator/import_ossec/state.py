"""Where Wazuh's wodle stopped: its database aws_services.db, read only.

It has a row for each stream: all events up to `end_time` were sent, and the next poll would begin a millisecond later. A
group is read as a whole here, so it begins where the stream that is furthest behind stopped.
"""

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from msgspec import Struct

from services.operator.import_ossec.xml import shown
from shared.errors import SettingsError

DATABASE = "aws_services.db"
_ROWS = "SELECT aws_region, aws_log_group, aws_log_stream, end_time FROM cloudwatch_logs"
#: A timestamp beyond the year 9999 is none.
_MAX_MS = 253_402_300_799_999

GroupPlace = tuple[str, str]
"""Region and log group, by which the wodle keeps its state: not by account."""


class Stopped(Struct, frozen=True, kw_only=True):
    """Where the wodle stopped in one group."""

    streams: int
    ended: int
    """Streams that hold nothing back: they are over, or have nothing unread."""
    least_ms: int
    """All streams but the ended ones were read to this time, it included."""
    newest_ms: int
    """One stream was read so far."""
    ends: Mapping[str, int] = {}
    """Stream -> the time it was read to."""

    @property
    def start_ms(self) -> int:
        """Return the first time that was not read of every stream."""
        return self.least_ms + 1


def read(place: Path, ended_after_ms: int = 0) -> Mapping[GroupPlace, Stopped]:
    """Return where the wodle stopped, by Region and group. Blocks on the file, which is never written to.

    `place` is the database or its directory; `ended_after_ms`, if not 0, is how far a stream may be behind the newest of
    its group without being taken to be over. Raises SettingsError when it cannot be read.
    """
    file = _database(place)
    ends: dict[GroupPlace, dict[str, int]] = {}
    unread: set[GroupPlace] = set()
    try:
        connection = sqlite3.connect(f"file:{quote(str(file.absolute()))}?mode=ro", uri=True, timeout=5)
        try:
            connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
            for region, group, stream, end in connection.execute(_ROWS):
                if not isinstance(region, str) or not isinstance(group, str):
                    continue
                if isinstance(end, int) and 0 <= end < _MAX_MS:
                    ends.setdefault((region, group), {})[str(stream)] = end
                else:
                    unread.add((region, group))
        finally:
            connection.close()
    except (sqlite3.Error, UnicodeDecodeError) as error:  # the other one: where its own words quote what is no text
        why = shown(str(error), 200)
        raise SettingsError(
            [f"--state {file}: cannot be read as the wodle's database: {why}; stop the wodle, and try a copy of it"]
        ) from None
    return {where: _stopped(found, ended_after_ms) for where, found in ends.items() if where not in unread}


def _database(place: Path) -> Path:
    try:
        file = place / DATABASE if place.is_dir() else place
        if file.is_file():
            return file
    except OSError as error:
        raise SettingsError([f"--state {place}: {error.strerror}: run this as root, or on a copy"]) from None
    raise SettingsError([f"--state {place}: there is no {DATABASE}: it is in wodles/aws of the Wazuh directory"])


def _stopped(ends: Mapping[str, int], ended_after_ms: int) -> Stopped:
    newest = max(ends.values())
    holding = [end for end in ends.values() if not ended_after_ms or newest - end <= ended_after_ms]
    return Stopped(
        streams=len(ends), ended=len(ends) - len(holding), least_ms=min(holding), newest_ms=newest, ends=ends
    )
