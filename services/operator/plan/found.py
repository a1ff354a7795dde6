"""What a plan found out: the groups, who owns each, and what it took to find them."""

from dataclasses import dataclass, field

from shared.aws.logs_api import FoundGroup
from shared.settings.model import Source


@dataclass(kw_only=True)
class PlannedGroup:
    """A log group, its owner, and what was found out about it."""

    found: FoundGroup
    region: str
    source: Source
    """The first of the settings that matches: it reads the group."""
    others: list[str] = field(default_factory=list)
    """Later sources that match too, and leave it to the owner."""
    readable: bool | None = None
    """None: not tried."""
    why: str = ""
    """Why it cannot be read."""
    bytes_a_day: float | None = None
    """By CloudWatch's own metric; None: not known."""


@dataclass(kw_only=True)
class Look:
    """What one source did in one Region to find its groups."""

    source: Source
    region: str
    account_id: str
    """Empty: not known."""
    calls: int
    """Of DescribeLogGroups, each time it looks."""


@dataclass
class Found:
    """All that was found. Groups by their key, in the order of their sources."""

    groups: dict[str, PlannedGroup] = field(default_factory=dict)
    looks: list[Look] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    """What cannot be read, and why, a line each."""
    notes: list[str] = field(default_factory=list)
    unmatched: list[tuple[str, str, str]] = field(default_factory=list)
    """Account, Region and name of groups that no source reads."""
