"""The statistics as the receiver words them, read into a look; and answers that are none."""

import struct
from typing import Any

import msgspec
import pytest

from services.forwarder import getstats
from services.forwarder.getstats import StatsUnavailable
from services.forwarder.turnover import Look


def an_answer(**queues: float) -> dict[str, Any]:
    """Return an answer with these queues in use, as a share, and counters that all differ."""
    modules = {"aws": 1, "azure": 2, "syscheck": 4, "logcollector_breakdown": {"eventchannel": 8, "others": 16}}
    decoded = {"agent": 32, "dbsync": 64, "integrations_breakdown": {"virustotal": 128}, "modules_breakdown": modules}
    names = ("others", "processed", "alerts", "archives", "eventchannel")
    return {
        "error": 0,
        "data": {
            "uptime": 1_700_000_000,
            "metrics": {
                "events": {
                    "processed": 999,
                    "received": 1_234,
                    "received_breakdown": {"decoded_breakdown": decoded, "dropped_breakdown": decoded},
                },
                "queues": {name: {"size": 16_384, "usage": queues.get(name, 0.0)} for name in names},
            },
        },
    }


def parse(answer: dict[str, Any]) -> Look:
    return getstats.parse(msgspec.json.encode(answer), "path")


def test_counters_are_added_up_by_the_queue_they_are_about() -> None:
    """Those of modules with a queue of their own are left out."""
    look = parse(an_answer())
    counts = {lane: (entry.taken, entry.dropped) for lane, entry in look.lanes.items()}

    assert {"files": (179, 179), "aws": (179, 1), "eventchannel": (8, 8)} == counts
    assert (1_700_000_000, 999) == (look.start, look.processed)


@pytest.mark.parametrize("depth", [0, 1, 2, 500, 16_382, 16_383])
@pytest.mark.parametrize("places", [16_383, 16_384])
def test_the_depth_is_never_taken_for_less_than_it_is(depth: int, places: int) -> None:
    """By version, `usage` is a share of the places or of one more; it is a float of 32 bits."""
    (usage,) = struct.unpack("f", struct.pack("f", depth / places))
    look = parse(an_answer(others=usage, processed=usage))

    assert depth <= look.lanes["files"].depth <= depth + 1
    assert depth <= look.waiting <= depth + 1
    assert (depth == 0) == look.is_empty("files")
    assert 16_382 - depth <= look.free <= 16_383 - depth


@pytest.mark.parametrize("name", ["others", "processed", "alerts", "archives", "eventchannel"])
def test_the_fullest_queue_on_the_way_counts(name: str) -> None:
    """Whichever is full holds the others up, or drops."""
    look = parse(an_answer(**{name: 0.75}))

    assert 0.75 == look.usage
    assert 4_094 <= look.free <= 4_096


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"{",
        b"null",
        b'{"error":4,"message":"Unrecognized command","data":{}}',
        b"\xff",
        b'{"data":{"uptime":"x"}}',
    ],
)
def test_what_is_no_answer_is_said_to_be_none(answer: bytes) -> None:
    """A receiver that is older, or something else."""
    with pytest.raises(StatsUnavailable, match="the/socket"):
        getstats.parse(answer, "the/socket")


@pytest.mark.parametrize("lacking", ["others", "processed", "eventchannel"])
def test_an_answer_without_a_queue_is_none(lacking: str) -> None:
    """Half of the evidence proves nothing."""
    answer = an_answer()
    del answer["data"]["metrics"]["queues"][lacking]
    with pytest.raises(StatsUnavailable, match=lacking):
        parse(answer)
