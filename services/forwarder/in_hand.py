"""How many events threads of the receiver hold in their hands, between two queues, where no counter shows them. Pure.

What was received is in a queue, or dropped, or decoded; what was decoded is in the next queue, or processed. What is
missing from these sums is in the hand of a thread - or will never be counted: a message that cannot be taken apart, a
firewall's line that lacks a field. The latter only grow; so the least that was ever missing is what is missing for good,
and what is missing beyond it is in hand.
"""

from services.forwarder.turnover import Look


class InHand:
    """One receiver, over its looks."""

    def __init__(self) -> None:
        self._start = 0
        self._decoding = 0
        self._rules = 0

    def note(self, look: Look) -> None:
        """Take a look into account; one at another start begins anew."""
        if look.start != self._start:
            self._start, self._decoding, self._rules = look.start, look.undecoded, look.unprocessed
        self._decoding = min(self._decoding, look.undecoded)
        self._rules = min(self._rules, look.unprocessed)

    def with_decoders(self, look: Look) -> int:
        """Return how many events decoders hold at this look, anybody's."""
        return look.undecoded - self._decoding

    def with_rules(self, look: Look) -> int:
        """Return how many events rule threads hold at this look, or decoders that wait to hand them on."""
        return look.unprocessed - self._rules

    def is_for_good(self, look: Look) -> None:
        """Take what is missing at this look for what nobody will ever count."""
        self._decoding, self._rules = look.undecoded, look.unprocessed
