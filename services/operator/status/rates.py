"""Rates over the last seconds, from the books at several moments: in Redis there are counters alone."""

from collections import deque

from msgspec import Struct

from services.operator.status.picture import Picture
from shared.books import Account

#: Rates are means over so long, or over two looks where those are further apart.
WINDOW_SECONDS = 10.0
#: So many means are remembered, for the small chart.
REMEMBERED = 60

#: A group in a status: account, region and name.
Name = tuple[str, str, str]


class Rates(Struct, frozen=True, kw_only=True):
    """Events a second; None where there was one look only."""

    fetched: float | None = None
    """New ones: read for the first time."""
    repeats: float | None = None
    """Read before: reads overlap on purpose."""
    normalized: float | None = None
    delivered: float | None = None
    calls: float | None = None
    """Calls to AWS."""
    groups: dict[Name, tuple[float, float]] = {}
    """Fetched and delivered, by group."""
    history: tuple[float, ...] = ()
    """Delivered, the latest last."""


class _Look(Struct, frozen=True):
    at: float
    total: Account
    normalized: int
    calls: int
    groups: dict[Name, Account]


class Meter:
    """Makes rates of one picture after another."""

    def __init__(self) -> None:
        self._looks: deque[_Look] = deque()
        self._history: deque[float] = deque(maxlen=REMEMBERED)

    def add(self, picture: Picture, at: float) -> Rates:
        """Return the rates as of `picture`, taken `at` seconds of a monotonic clock."""
        status = picture.status
        read = status.total.fetched - status.total.duplicates
        groups = {(one.account_id, one.region, one.log_group): one.books for one in status.groups}
        look = _Look(at, status.total, read - picture.queued["raw"].events, status.api_calls, groups)
        if self._looks and look.total.fetched < self._looks[-1].total.fetched:
            self._looks.clear()  # another database
        while len(self._looks) > 1 and at - self._looks[1].at >= WINDOW_SECONDS:
            self._looks.popleft()
        self._looks.append(look)
        return self._between(self._looks[0], look)

    def forget(self) -> None:
        """Begin anew: nothing is known of the time since the last look."""
        self._looks.clear()

    def _between(self, first: _Look, last: _Look) -> Rates:
        seconds = last.at - first.at
        if seconds <= 0:
            return Rates(history=tuple(self._history))
        moved = last.total - first.total
        self._history.append(max(0, moved.delivered) / seconds)
        return Rates(
            fetched=max(0, moved.fetched - moved.duplicates) / seconds,
            repeats=max(0, moved.duplicates) / seconds,
            normalized=max(0, last.normalized - first.normalized) / seconds,
            delivered=max(0, moved.delivered) / seconds,
            calls=max(0, last.calls - first.calls) / seconds,
            groups={
                name: _moved(account - first.groups.get(name, account), seconds)
                for name, account in last.groups.items()
            },
            history=tuple(self._history),
        )


def _moved(account: Account, seconds: float) -> tuple[float, float]:
    return max(0, account.fetched - account.duplicates) / seconds, max(0, account.delivered) / seconds
