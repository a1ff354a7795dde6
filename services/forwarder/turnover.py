"""What the receiver's own statistics prove about events that it has read. Pure: no clock, no I/O.

An event's way through analysisd, with what is counted where:

    socket -> reader -> queue -> decoder threads -> queue `processed` -> rule threads
                 |        |            |                  |                  |
              dropped   depth        taken              depth            processed

An event is processed when either holds of one look, taken after it was read:

- drained: both queues are empty, the counters have advanced by all that was sent, and no thread holds an event in its hand
  (in_hand.py): nothing is in between;
- turned over: `taken` has advanced by the depth that the first queue had and a margin, then `processed` by the depth
  that the second had.

The margin is for an event that a thread keeps in its hand while others overtake it, before either counter. It serves
both queues: as many events as did not overtake it in the first are behind it in the second. It is more than was ever
seen to overtake on the whole way (306 events, by analysisd 4.14.7 on two cores). Counters and queues are not ours
alone: agents' events count towards it as well as ours.
"""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

#: So many events may overtake one that is in a thread's hand.
MARGIN = 340
#: A receiver that uses no more of its queues than this, and drops nothing, is calm.
CALM_USAGE = 0.5

_AWS = b"1:Wazuh-AWS:"

Lane = Literal["files", "aws", "eventchannel"]
"""Which queue an event enters, and which counter counts its drop."""


class Entry(Struct, frozen=True, kw_only=True):
    """The part of a look that one lane is about."""

    depth: int
    """Events in the queue that this lane enters."""
    taken: int
    """Events that left that queue and were decoded, since the start."""
    dropped: int
    """Events of this lane's counter that found the queue full, since the start."""


class Look(Struct, frozen=True, kw_only=True):
    """The receiver's statistics at one moment."""

    start: int
    """When it was started, in seconds since 1970."""
    lanes: dict[Lane, Entry]
    waiting: int
    """Events in the queue `processed`."""
    processed: int
    """Events that left the queue `processed`, since the start."""
    undecoded: int
    """Received and neither in a queue, nor dropped, nor decoded."""
    unprocessed: int
    """Decoded for the rules and neither in the queue `processed` nor processed."""
    out_of_credits: bool
    """Whether decoders wait, an event in hand, for credits of an EPS limit."""
    free: int
    """Free places of the fullest queue on the way."""
    usage: float
    """How full that queue is: 0 to 1."""

    @property
    def holds_nothing(self) -> bool:
        """Whether no queue of any lane holds an event."""
        return self.waiting == 0 and not any(entry.depth for entry in self.lanes.values())

    def is_empty(self, lane: Lane) -> bool:
        """Whether neither queue holds an event."""
        return self.waiting == 0 and self.lanes[lane].depth == 0


class Passage:
    """The way of one segment of a lane, from a look taken after all of it was read."""

    def __init__(self, lane: Lane, look: Look) -> None:
        self._lane: Lane = lane
        self._taken = look.lanes[lane].taken + look.lanes[lane].depth + MARGIN
        self._processed: int | None = None

    def is_over(self, look: Look) -> bool:
        """Say whether both queues have turned over since, by this look and those before."""
        if self._processed is None and look.lanes[self._lane].taken >= self._taken:
            self._processed = look.processed + look.waiting
        return self._processed is not None and look.processed >= self._processed

    def events_ahead(self, look: Look) -> int:
        """Return how many events have to go through, at least, until it is over."""
        if self._processed is None:
            return max(0, self._taken - look.lanes[self._lane].taken)
        return max(0, self._processed - look.processed)


def lane_of(datagram: bytes) -> Lane:
    """Return the lane that a datagram of ours enters."""
    if datagram[:1] == b"f":
        return "eventchannel"
    return "aws" if datagram.startswith(_AWS) else "files"


def segment(datagrams: Sequence[bytes], start: int, most: int) -> tuple[int, Lane]:
    """Return the end of a segment that begins at `start`, of `most` datagrams at most, and the lane of all of it.

    Those with a counter of drops to themselves go by the shared one as soon as others are among them.
    """
    end, stop, first = start + 1, min(start + most, len(datagrams)), datagrams[start]
    while end < stop and datagrams[end][0] == first[0]:
        end += 1
    lane = lane_of(first)
    if lane == "aws" and not all(datagram.startswith(_AWS) for datagram in datagrams[start:end]):
        lane = "files"
    return end, lane


def doubt(before: Look, after: Look, lane: Lane) -> str:
    """Return why what was sent between two looks may be lost; "" when there is no reason to think so."""
    if after.start != before.start:
        return "it was restarted"
    was, now = before.lanes[lane], after.lanes[lane]
    if now.taken < was.taken or now.dropped < was.dropped or after.processed < before.processed:
        return "its counters began anew"
    if now.dropped > was.dropped:
        return f"it dropped {now.dropped - was.dropped:,} events, ours or an agent's"
    return ""


def is_calm(before: Look, after: Look, lane: Lane) -> bool:
    """Say whether a receiver that gave reason for doubt can be sent to again."""
    return not doubt(before, after, lane) and after.usage <= CALM_USAGE
