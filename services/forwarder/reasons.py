"""Why a forwarder waits for its receiver, in a word that does not change: for machines that read the log."""

#: The first of these that a sentence contains says which reason it is.
_WORDS: tuple[tuple[str, str], ...] = (
    ("statistics cannot be had", "no-statistics"),
    ("no stats socket", "no-statistics"),
    ("there is no socket", "no-socket"),
    ("is not a socket", "no-socket"),
    ("no datagram socket", "no-socket"),
    ("no permission", "no-permission"),
    ("nobody reads", "not-running"),
    ("may have lost", "in-doubt"),
    ("was replaced", "in-doubt"),
    ("does not read", "stalled"),
    ("has not read", "stalled"),
    ("not yet processed", "slow"),
    ("is full", "full"),
    ("drops events", "full"),
    ("its manager", "agent-disconnected"),
    ("events in its buffer", "agent-full"),
    ("is given time", "agent-full"),
)


def reason(why: str) -> str:
    """Return the word for a sentence: one of shared/log_codes.py's REASONS."""
    return next((word for part, word in _WORDS if part in why), "other")
