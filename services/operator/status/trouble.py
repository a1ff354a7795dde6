"""What is wrong with a group, in a word, and which group is worse off than another."""

from collections.abc import Callable
from typing import Literal

from msgspec import Struct

from services.operator.status.collect import GroupStatus
from services.operator.status.figures import age
from services.operator.status.picture import Picture
from shared.settings.model import Settings

Word = Literal["fault", "expiring", "behind", "silent", "late", "gone", "reading", "well"]

#: The worst first. From `reading` on nothing is wrong.
ORDER: tuple[Word, ...] = ("fault", "expiring", "behind", "silent", "late", "gone", "reading", "well")
#: The others stay where they are: what moves without cause draws the eye.
_BY_AGE = ("fault", "expiring", "behind")
#: A group of which the settings say nothing is behind when it was not read for so long.
UNKNOWN_SECONDS = 660.0
SPARE_SECONDS = 60.0


class Judged(Struct, frozen=True, kw_only=True):
    """A group with what is to be said of it."""

    group: GroupStatus
    word: Word
    why: str = ""
    """What is wrong, and what to do; empty: nothing is."""

    @property
    def is_well(self) -> bool:
        return self.word in ("reading", "well")


def patience(settings: Settings) -> Callable[[str], float]:
    """Return how many seconds a group of a source may be left unread before it counts as behind."""
    known = {source.name: 2 * source.max_poll_interval / 1000 + SPARE_SECONDS for source in settings.sources}
    return lambda source: known.get(source, UNKNOWN_SECONDS)


def worst_first(picture: Picture, allowed: Callable[[str], float]) -> list[Judged]:
    """Return every group with its judgement: in the worst kinds of trouble the one unread for longest first."""
    pairs = zip(picture.status.groups, picture.dangers, strict=True)
    return sorted((_judged(group, dangers, allowed(group.source)) for group, dangers in pairs), key=_place)


def _place(judged: Judged) -> tuple[int, float, str, str]:
    group = judged.group
    unread = -(group.read_seconds_ago or 0.0) if judged.word in _BY_AGE else 0.0
    return ORDER.index(judged.word), unread, group.region, group.log_group


def _judged(group: GroupStatus, dangers: frozenset[str], allowed: float) -> Judged:
    risks = "; ".join(group.risks)
    if group.fault:
        where = f"group {group.log_group}, source {group.source}, region {group.region}: "
        return Judged(group=group, word="fault", why=group.fault.removeprefix(where))
    if "expiring" in dangers:
        return Judged(group=group, word="expiring", why=risks)
    if group.gone:
        return Judged(
            group=group, word="gone", why=f"CloudWatch Logs has it no more, or source {group.source} does not"
        )
    if group.read_seconds_ago is not None and group.read_seconds_ago > allowed:
        why = f"not read to its end for {age(group.read_seconds_ago)}: more comes than is read, or no fetcher reads it"
        return Judged(group=group, word="behind", why=why)
    if "silent" in dangers:
        return Judged(group=group, word="silent", why=risks)
    if dangers:
        return Judged(group=group, word="late", why=risks)
    return Judged(group=group, word="reading" if group.read_seconds_ago is None else "well")
