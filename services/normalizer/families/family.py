"""What a family is, and what becomes of an event of one."""

from collections.abc import Callable
from typing import Any, Literal

from msgspec import Struct

#: No service puts more records into an event. Each becomes a datagram with an origin of its own: without a bound, a hostile
#: message of a megabyte could become hundreds.
MAX_RECORDS = 100

#: An object as `msgspec.json` decodes it.
Record = dict[str, Any]


class Context(Struct, frozen=True):
    """What a family may need to know beside the event's log."""

    account_id: str
    log_stream: str
    timestamp_ms: int
    flow_log_format: tuple[str, ...] = ()
    """Columns of the source's flow logs; none: the default format's."""


class Findings(Struct, frozen=True):
    """Records for the member `aws` of an envelope, a datagram each. Each begins with its `source`."""

    records: tuple[Record, ...]


class Line(Struct, frozen=True):
    """What is sent instead of the log, as if it had been logged so."""

    log: bytes


class EventChannel(Struct, frozen=True):
    """What is sent on analysisd's queue of Windows events."""

    body: bytes


Shape = Findings | Line | EventChannel


class Family(Struct, frozen=True, kw_only=True):
    """One row of the registry."""

    name: str
    groups: tuple[str, ...] = ()
    """Globs, in lower case, of the names of groups that hold it; the settings may name more."""
    arrives: str
    """What analysisd is sent, in a sentence: docs/wazuh.md has the same."""
    from_object: Callable[[Record, Context], Shape | None] | None = None
    """Shapes an event that is a JSON object. None: it is not of this family."""
    from_line: Callable[[bytes, Context], Shape | None] | None = None
    """The same of an event that is text."""
    envelope: bool = False
    """It makes findings. Documentation and tests go by it."""
    where: Literal["by group", "any group", "by format"] = "by group"
    """What it takes beside the content."""
