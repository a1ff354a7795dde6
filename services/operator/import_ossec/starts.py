"""Sources that begin where the wodle stopped: one for each start time, before the one that has what the wodle never read.

A source has one only_logs_after, and groups stopped at times of their own. The first source that matches a group owns it, so
the sources with start times come first. Pure.
"""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from services.operator.import_ossec.draft import Draft
from services.operator.import_ossec.state import GroupPlace, Stopped
from shared.settings.quantities import start_ms


@dataclass(frozen=True)
class Resumed:
    """A group that goes on from where the wodle stopped."""

    place: GroupPlace
    stopped: Stopped


def split(made: Draft, state: Mapping[GroupPlace, Stopped]) -> list[tuple[Draft, list[Resumed]]]:
    """Return the sources that one service becomes, each with the groups that go on in it; the last one may have none."""
    after = str(made.keys.get("only_logs_after", ""))
    least_ms = start_ms(after, 0) if after else 0
    starts: dict[GroupPlace, int] = {}
    for region in made.regions:
        for group in made.log_groups:
            stopped = state.get((region, group))
            if stopped is not None and stopped.start_ms > least_ms:
                starts[region, group] = stopped.start_ms
    parts = [
        (
            _part(made, regions, groups, begin),
            [Resumed((region, group), state[region, group]) for region in regions for group in groups],
        )
        for begin, regions, groups in _grouped(starts)
    ]
    rest = [group for group in made.log_groups if any((region, group) not in starts for region in made.regions)]
    if rest or not parts:
        last = deepcopy(made)
        last.log_groups = rest or made.log_groups
        if parts:
            last.remarks.append(
                "Groups, or Regions of them, that the wodle's state does not know: the sources above own theirs."
            )
        parts.append((last, []))
    for part, _ in parts[1:]:
        part.remarks = [remark for remark in part.remarks if remark not in made.remarks]
        part.todos = []
    return parts


def _grouped(starts: Mapping[GroupPlace, int]) -> Iterator[tuple[int, list[str], list[str]]]:
    """Yield start time, Regions and groups, so that every Region goes with every group."""
    by_region: dict[tuple[int, str], list[str]] = {}
    for (region, group), begin in starts.items():
        by_region.setdefault((begin, region), []).append(group)
    merged: dict[tuple[int, tuple[str, ...]], list[str]] = {}
    for (begin, region), groups in by_region.items():
        merged.setdefault((begin, tuple(groups)), []).append(region)
    for (begin, together), regions in sorted(merged.items()):
        yield begin, regions, list(together)


def _part(made: Draft, regions: list[str], groups: list[str], begin: int) -> Draft:
    part = deepcopy(made)
    part.regions, part.log_groups = regions, groups
    part.keys["only_logs_after"] = rfc_3339(begin)
    return part


def rfc_3339(ms: int) -> str:
    """Return a time as the settings take it, to the millisecond."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)).strftime(
        "%Y-%m-%dT%H:%M:%S."
    ) + f"{ms % 1000:03}Z"
