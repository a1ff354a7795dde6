"""What a stand-in of analysisd tells about itself, for asserts."""

import msgspec


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What became of everything, over all lives, and where the rest is. "Ours" is what came through the socket."""

    alive: bool
    started_at: int
    """What `uptime` says."""
    lives: int
    idle: bool
    """Nothing is unread, in a queue, or in the hand of a thread."""
    read: int
    """Ours that the daemon counted as received, whatever became of them."""
    probes: int
    """Datagrams of no length, which the daemon ignores."""
    errors: int
    """Ours that were too short, or impossible to take apart."""
    cut: int
    """Ours that were longer than what the daemon reads."""
    processed: int
    """Ours for which the rules are done."""
    ended_in_decoders: int
    """Ours of kinds that no rule sees (syscheck, dbsync, ...)."""
    dropped: dict[str, int]
    """Ours that found their queue full, by the daemon's counter."""
    lost: dict[str, int]
    """Ours that died with the daemon, by the place where they were: `unread`, a queue, or in the hand of a thread.

    What was sent in the very instant of the death is counted nowhere.
    """
    agents_processed: int
    agents_dropped: dict[str, int]
    agents_dropped_beside_ours: int
    """Those dropped while an event of ours took a place in the same queue."""
    archives_lost: int
    stats_asked: int
    depths: dict[str, int]
    """By queue."""
    deepest: dict[str, int]
    """The greatest depth seen, by queue."""
    in_hand: dict[str, int]
    """Out of one queue and not yet through the next door, by place: `decoding` (not yet counted decoded), `decoded`
    (the queue `processed` is full), `labels` (not yet counted processed), `rules` (counted, the rules not yet done)."""

    @property
    def dropped_total(self) -> int:
        """Ours that found a queue full."""
        return sum(self.dropped.values())

    @property
    def lost_total(self) -> int:
        """Ours that died with the daemon."""
        return sum(self.lost.values())

    @property
    def caused_a_drop(self) -> bool:
        """Whether an event of ours was dropped, or one of the agents' for which ours left no place."""
        return bool(self.dropped or self.agents_dropped_beside_ours)
