"""Ranges of time, and what is shown of a backfill."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from shared import backfills
from shared.backfill_progress import progress
from shared.messages import Backfill, BackfillPart, TimeRange

ranges = st.tuples(st.integers(0, 60), st.integers(0, 60)).map(
    lambda pair: TimeRange(from_ms=min(pair), to_ms=max(pair))
)


def timestamps(*parts: TimeRange) -> set[int]:
    return {time for part in parts for time in range(part.from_ms, part.to_ms + 1)}


@given(st.lists(ranges, max_size=8), ranges)
def test_ranges_are_sets_of_timestamps(covered: list[TimeRange], wanted: TimeRange) -> None:
    """An error by one would lose a millisecond, or deliver it twice."""
    apart = backfills.merged(covered)

    assert timestamps(*covered) == timestamps(*apart)
    assert all(one.to_ms + 1 < other.from_ms for one, other in pairwise(apart))
    assert timestamps(wanted) & timestamps(*covered) == timestamps(*backfills.common(wanted, covered))
    assert timestamps(wanted) - timestamps(*covered) == timestamps(*backfills.without(wanted, covered))
    assert [time for time in range(61) if backfills.holding(apart, time)] == sorted(timestamps(*covered))


def test_ids_survive_being_packed() -> None:
    """All 64 bits of them."""
    ids = {2**64 - 1: 0, 0: 1_800_000_000_000}

    assert ids == backfills._unpacked(backfills.packed(ids))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, (0.0, 0.0, None)),
        ({"state": "running", "newest_ms": 149, "pages": 3}, (25.0, 3.0, 180.0)),
        ({"state": "running", "part": 1, "newest_ms": 0, "pages": 6}, (50.0, 6.0, 60.0)),
        ({"state": "running", "part": 1, "newest_ms": 324, "pages": 6}, (62.5, 6.0, 36.0)),
        ({"state": "done", "changed_ms": 31_000, "pages": 6}, (100.0, 12.0, None)),
        ({"state": "cancelled", "changed_ms": 31_000, "newest_ms": 199, "pages": 6}, (50.0, 12.0, None)),
    ],
)
def test_progress_is_of_the_time_range_over_all_parts(
    changes: dict[str, Any], expected: tuple[float, float, float | None]
) -> None:
    """Two parts of a hundred milliseconds, begun a minute ago."""
    parts = (BackfillPart(from_ms=100, to_ms=199), BackfillPart(from_ms=300, to_ms=399))
    one = replace(Backfill(backfill_id="b", parts=parts, asked_ms=0, started_ms=1_000), **changes)
    found = progress(one, 61_000)

    assert expected == (found.percent, found.pages_a_minute, found.left_seconds)
