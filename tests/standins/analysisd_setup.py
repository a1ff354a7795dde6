"""How a stand-in of analysisd is built, and what was ordered of it that outlives a restart."""

from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from tests.standins.analysisd_messages import ROUTES, Fate, FromAgents, decoded_as, dropped_as

Usage = Literal["4.14", "4.4"]
Place = Literal["decoding", "labels", "rules"]
"""Where a thread can keep an event for itself: taken from its queue and not yet counted decoded; taken from the queue
`processed` and not yet counted processed; counted processed, the rules not yet done."""
Answers = Literal["well", "late", "stale", "never", "cut", "half", "garbage", "error"]
StatsSocket = Literal["open", "refused", "removed"]


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """What cannot change while it runs."""

    others_size: int = 16_384
    """The queue that our events enter. As in the daemon, a queue of this size holds one event less."""
    processed_size: int = 16_384
    """The queue between decoders and rules."""
    size: int = 16_384
    """Every other queue."""
    decoder_threads: int = 2
    """Of each queue; the daemon starts as many as it has processors, and as many for the rules."""
    rule_threads: int = 2
    usage: Usage = "4.14"
    """What `usage` is a fraction of: the places (size - 1) since 4.14, before that the size, so that it never got to 1."""
    usage_decimals: int | None = None
    """None: as the daemon prints it, from which the depth can be computed. 2: as its state file."""
    keep: bool = True
    """Keep processed events whole and in order; else only how often each came, by its id or digest."""
    id_pattern: str | None = None
    """What tells events apart: this expression's first group where it is found in the datagram, else all of it."""
    journal: str | None = None
    """A file that gets a line for each event processed or dropped, so that they are known after a kill -9."""


@dataclass
class Traffic:
    """Events of somebody else that come at a steady rate."""

    per_second: float
    queue: str
    event: FromAgents
    message_bytes: int


@dataclass
class Orders:
    """How fast it works, and who else sends: what `Controls` says of each. A restart changes nothing of it."""

    decoders_per_second: float | None = None
    rules_per_second: float | None = None
    decoders_stalled: bool = False
    rules_stalled: bool = False
    dawdling: dict[Place, tuple[int, float, int]] = field(default_factory=dict)
    """By place: one in so many, seconds, how many may overtake."""
    eps: tuple[int, int] = (0, 1)
    alert_one_in: int = 0
    alerts_per_second: float | None = None
    archive: bool = False
    archives_per_second: float | None = None
    traffic: list[Traffic] = field(default_factory=list)

    def throttle(self, decoders: float | None, rules: float | None) -> None:
        self.decoders_per_second, self.rules_per_second = decoders, rules

    def stall(self, decoders: bool, rules: bool) -> None:
        self.decoders_stalled, self.rules_stalled = decoders, rules

    def dawdle(self, place: Place, one_in: int, seconds: float, overtaken_by: int) -> None:
        self.dawdling.pop(place, None)
        if one_in:
            self.dawdling[place] = (one_in, seconds, overtaken_by)

    def limit_eps(self, maximum: int, timeframe: int) -> None:
        self.eps = (maximum, timeframe)

    def write_alerts(self, one_in: int, per_second: float | None) -> None:
        self.alert_one_in, self.alerts_per_second = one_in, per_second

    def write_archives(self, archive: bool, per_second: float | None) -> None:
        self.archive, self.archives_per_second = archive, per_second

    def background(self, per_second: float, **event: Any) -> None:
        self.traffic.append(traffic(per_second, **event))

    def end_background(self) -> None:
        self.traffic.clear()


def traffic(per_second: float, location: str, queue: str, fate: Fate | None, message_bytes: int) -> Traffic:
    """Return events of somebody else: of a location when they go to the queue `others`. Raises ValueError."""
    route = next((route for route in ROUTES.values() if route.queue == queue), None)
    if route is None and queue != "others":
        raise ValueError(f"no queue {queue}: others, {', '.join(route.queue for route in ROUTES.values())}")
    if route is not None:
        event = FromAgents(route.counter, route.counter, fate or route.fate)
    else:
        message = f"1:{location}:".encode()
        event = FromAgents(dropped_as(message), decoded_as(message)[0], fate or "rules")
    return Traffic(per_second, queue, event, message_bytes)
