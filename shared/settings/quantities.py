"""Durations, sizes and start times as people write them."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated

from msgspec import Meta

Duration = Annotated[int, Meta(extra={"quantity": "duration"})]
"""Milliseconds here, `"30s"` in the file."""

Bytes = Annotated[int, Meta(extra={"quantity": "bytes"})]
"""Bytes here, `"64KiB"` in the file."""

StartTime = Annotated[str, Meta(extra={"quantity": "start_time"})]
"""A date, an RFC 3339 time or an age, as written; `start_ms` says which moment it means."""

_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_BYTES = {"B": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}

#: Redis counts in signed 64 bits, and so does msgspec.
_LARGEST = 2**63 - 1

_NUMBER_AND_UNIT = re.compile(r"([0-9]{1,18})([A-Za-z]+)")
_NUMBER = re.compile(r"[0-9]{1,18}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_RFC_3339 = re.compile(r"[0-9-]{10}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse_duration(text: str) -> int:
    """Return the milliseconds of "500ms", "30s", "5m", "2h" or "7d"; ValueError for anything else."""
    return _parse(text, _MS, 'a duration is a whole number and ms, s, m, h or d, such as "30s"')


def parse_bytes(size: str | int) -> int:
    """Return the bytes of "1000B", "64KiB", "256MiB", "1GiB" or a plain number; ValueError for anything else."""
    if isinstance(size, int) or _NUMBER.fullmatch(size):
        size = f"{size}B"
    return _parse(size, _BYTES, 'a size is a whole number and B, KiB, MiB or GiB, such as "64KiB"')


def format_duration(ms: int) -> str:
    """Return the shortest text that `parse_duration` reads back as `ms` milliseconds."""
    return _format(ms, _MS) if ms else "0s"


def format_bytes(size: int) -> str:
    """Return the shortest text that `parse_bytes` reads back as `size` bytes."""
    return _format(size, _BYTES) if size else "0B"


def start_ms(text: str, now_ms: int) -> int:
    """Return the moment `text` means, in milliseconds since 1970 UTC and never before; ValueError if it means none.

    "2026-11-01" is 00:00 UTC of that day, "2026-11-01T08:00:00+01:00" that time, "2h" two hours before `now_ms`.
    """
    if _DATE.fullmatch(text):
        text += "T00:00:00Z"
    try:
        if _RFC_3339.fullmatch(text):
            return max(0, (datetime.fromisoformat(text.upper()) - _EPOCH) // timedelta(milliseconds=1))
        return max(0, now_ms - parse_duration(text))
    except ValueError:
        allowed = 'a date ("2026-11-01"), an RFC 3339 time with its zone ("2026-11-01T08:00:00Z") or an age ("2h")'
        raise ValueError(f"a start time is {allowed}") from None


def _parse(text: str, units: Mapping[str, int], allowed: str) -> int:
    parts = _NUMBER_AND_UNIT.fullmatch(text)
    factor = units.get(parts[2]) if parts else None
    if parts is None or factor is None or int(parts[1]) * factor > _LARGEST:
        raise ValueError(allowed)
    return int(parts[1]) * factor


def _format(number: int, units: Mapping[str, int]) -> str:
    unit = max((unit for unit in units if number % units[unit] == 0), key=units.__getitem__)
    return f"{number // units[unit]}{unit}"
