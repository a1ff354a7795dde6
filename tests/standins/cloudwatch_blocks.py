"""Runs of events joined once and cut anywhere afterwards: what makes large groups quick to serve."""

import json
from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate
from json.encoder import encode_basestring

Quote = Callable[[str], str]

BLOCK_EVENTS = 1000


class Block:
    """Events joined with commas, and where each of them ends."""

    def __init__(self, wires: Sequence[bytes], sizes: Sequence[int]) -> None:
        self.body = memoryview(b",".join(wires))
        self._ends = [0, *accumulate(len(wire) + 1 for wire in wires)]
        self._sizes = [0, *accumulate(sizes)]

    def fitting(self, first: int, stop: int, max_bytes: int) -> int:
        """Return up to which event, `stop` at most, those from `first` on weigh no more than `max_bytes`."""
        return min(stop, bisect_right(self._sizes, self._sizes[first] + max_bytes) - 1)

    def weight(self, first: int, stop: int) -> int:
        """Return what some events count towards a page."""
        return self._sizes[stop] - self._sizes[first]

    def run(self, first: int, stop: int) -> memoryview:
        """Return some events, joined, without a copy."""
        return self.body[self._ends[first] : self._ends[stop] - 1]


def make_block(wires: Callable[[Quote], tuple[list[str], list[int]]]) -> Block:
    """Return the block of the events that `wires` writes, with the JSON quoting it is given."""
    texts, sizes = wires(encode_basestring)
    try:
        return Block([text.encode() for text in texts], sizes)
    except UnicodeEncodeError:  # a lone surrogate: only an escape can carry it
        texts, sizes = wires(json.dumps)
        return Block([text.encode() for text in texts], sizes)
