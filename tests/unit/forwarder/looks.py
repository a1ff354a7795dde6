"""Plain builders of what a receiver's statistics say."""

from services.forwarder.turnover import Entry, Look


def a_look(
    *, start: int = 1, depth: int = 0, taken: int = 0, dropped: int = 0, waiting: int = 0, processed: int = 0
) -> Look:
    """Return a look at a receiver whose lanes `files` and `aws` stand so; its third lane saw nothing."""
    entry = Entry(depth=depth, taken=taken, dropped=dropped)
    size = 16_384
    return Look(
        start=start,
        lanes={"files": entry, "aws": entry, "eventchannel": Entry(depth=0, taken=0, dropped=0)},
        waiting=waiting,
        processed=processed,
        undecoded=0,
        unprocessed=0,
        out_of_credits=False,
        free=size - 1 - max(depth, waiting),
        usage=max(depth, waiting) / (size - 1),
    )
