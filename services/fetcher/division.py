"""Which fetcher reads which group. Pure: members, owners and weights in, changes out.

A group whose owner is gone goes to the member with the least load, heavy groups first. Beyond that nothing moves while loads
are alike; once they differ by a fifth of the mean, as few and as heavy groups as possible move until they do not.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

#: The difference between the largest and the smallest load, as a share of the mean, that makes groups move; and what is
#: aimed at then. Between the two nothing moves, so that weights that go up and down move no group to and fro.
TOLERATED = 0.2
AIMED_AT = 0.05


def weight_of(calls_a_minute: float) -> int:
    """Return the weight of a group: 1, or twice that as often as it takes to reach `calls_a_minute` / 2; 4096 at most."""
    weight = 1
    while weight < min(calls_a_minute / 2, 4096):
        weight *= 2
    return weight


def changes(
    members: Collection[str],
    alive: Collection[str],
    owners: Mapping[str, str],
    weights: Mapping[str, int],
    groups: Iterable[str],
) -> dict[str, str]:
    """Return the new owner of each of `groups` that gets another: one of `members`.

    Groups of those who are `alive` and no members stay where they are. A group without a weight weighs 1.
    """
    if not members:
        return {}
    known = sorted(groups)
    orphans = [group for group in known if owners.get(group) not in alive]
    division = _Division(members, weights)
    for group, owner in owners.items():
        division.count(group, owner)
    for group in known:
        division.offer(group, owners.get(group, ""))
    changed = {}
    for group in sorted(orphans, key=lambda group: -weights.get(group, 1)):
        changed[group] = division.give(group)
    return changed | division.balanced()


class _Division:
    """The load of each member, and what of it may be moved."""

    def __init__(self, members: Collection[str], weights: Mapping[str, int]) -> None:
        self._weights = weights
        self._loads = dict.fromkeys(sorted(members), 0)
        self._movable: dict[str, defaultdict[int, list[str]]] = {member: defaultdict(list) for member in members}

    def count(self, group: str, owner: str) -> None:
        """Take a group into account that `owner` has."""
        if owner in self._loads:
            self._loads[owner] += self._weights.get(group, 1)

    def offer(self, group: str, owner: str) -> None:
        """Let a group be moved away from `owner`."""
        if owner in self._loads:
            self._movable[owner][self._weights.get(group, 1)].append(group)

    def give(self, group: str) -> str:
        """Return the member that gets `group`: the one with the least load."""
        member = min(self._loads, key=self._loads.__getitem__)
        self.count(group, member)
        self.offer(group, member)
        return member

    def balanced(self) -> dict[str, str]:
        """Return the moves that make the loads alike, if they are not. Each makes them more alike, so there is an end."""
        moved: dict[str, str] = {}
        mean = sum(self._loads.values()) / len(self._loads)
        bound = TOLERATED * mean
        while (move := self._move(bound)) is not None:
            group, member = move
            moved[group] = member
            bound = AIMED_AT * mean
        return moved

    def _move(self, bound: float) -> tuple[str, str] | None:
        """Move a group from the most loaded member that has one to spare to the least loaded one; None: nothing helps."""
        least = min(self._loads, key=self._loads.__getitem__)
        for member in sorted(self._loads, key=lambda name: -self._loads[name]):
            gap = self._loads[member] - self._loads[least]
            weight = self._weight_to_move(member, gap) if gap > bound else None
            if weight is not None:
                group = self._movable[member][weight].pop()
                self._loads[member] -= weight
                self._loads[least] += weight
                self._movable[least][weight].append(group)
                return group, least
        return None

    def _weight_to_move(self, member: str, gap: int) -> int | None:
        """Return the weight that closes the gap best: half of it, or less, or as little more as there is."""
        weights = [weight for weight, groups in self._movable[member].items() if groups and weight < gap]
        smaller = [weight for weight in weights if weight <= gap / 2]
        return max(smaller) if smaller else min(weights, default=None)
