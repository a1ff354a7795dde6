"""Who reads what: each group one living owner, loads alike, few moves."""

from collections import Counter
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.fetcher.division import TOLERATED, changes, weight_of

MEMBERS = st.sets(st.sampled_from("abcdefgh"), min_size=1)
WEIGHTS = st.dictionaries(
    st.integers(0, 400).map(lambda number: f"g{number}"), st.sampled_from([1, 1, 1, 1, 2, 4, 32, 512]), max_size=200
)


def loads(members: set[str], owners: Mapping[str, str], weights: Mapping[str, int]) -> dict[str, int]:
    """Return the load of each member."""
    found = Counter(dict.fromkeys(members, 0))
    for group, owner in owners.items():
        found[owner] += weights.get(group, 1)
    return found


def divided(members: set[str], owners: Mapping[str, str], weights: Mapping[str, int]) -> dict[str, str]:
    """Return the owners after one division of all groups there are."""
    return {**owners, **changes(members, members, owners, weights, weights)}


@given(members=MEMBERS, weights=WEIGHTS, owners=st.data())
def test_every_group_has_exactly_one_living_owner_whatever_was_before(
    members: set[str], weights: dict[str, int], owners: st.DataObject
) -> None:
    """Owners of before may be dead, or nobody."""
    before = {group: owners.draw(st.sampled_from("abcdefghxyz")) for group in weights if group[-1] != "7"}
    after = divided(members, before, weights)

    assert set(weights) == set(after)
    assert set(after.values()) <= members


@given(members=MEMBERS, weights=WEIGHTS, owners=st.data())
def test_loads_are_alike_or_nothing_that_could_move_would_help(
    members: set[str], weights: dict[str, int], owners: st.DataObject
) -> None:
    """Of every member: what it has more than the least loaded one is not more than its smallest group."""
    before = {group: owners.draw(st.sampled_from("abcdefghxyz")) for group in weights}
    after = divided(members, before, weights)
    load = loads(members, after, weights)
    tolerated = TOLERATED * sum(load.values()) / len(members)
    for member in members:
        gap = load[member] - min(load.values())
        smallest = min((weights[group] for group, owner in after.items() if owner == member), default=0)
        assert gap <= tolerated or gap <= smallest


@given(members=MEMBERS, weights=WEIGHTS)
def test_a_second_division_moves_nothing(members: set[str], weights: dict[str, int]) -> None:
    """Else fetchers would pass groups to and fro for ever."""
    after = divided(members, {}, weights)

    assert {} == changes(members, members, after, weights, weights)


def test_a_member_that_joins_gets_its_part_and_nothing_else_moves() -> None:
    """Each move costs a checkpoint read anew."""
    weights = {f"g{number}": 1 for number in range(9_000)}
    before = divided({"a", "b"}, {}, weights)
    moved = changes({"a", "b", "c"}, {"a", "b", "c"}, before, weights, weights)

    assert {"c"} == set(moved.values())
    assert 2_700 <= len(moved) <= 3_000


def test_the_groups_of_a_member_that_died_go_to_those_with_the_least_load_and_nothing_else_moves() -> None:
    """Heavy ones first, so that the light ones fill up what is uneven."""
    weights = {f"g{number}": 1 + number % 3 for number in range(3_000)}
    before = divided({"a", "b", "c"}, {}, weights)
    moved = changes({"a", "b"}, {"a", "b"}, before, weights, weights)

    assert {group for group, owner in before.items() if owner == "c"} == set(moved)
    load = loads({"a", "b"}, {**before, **moved}, weights)
    assert abs(load["a"] - load["b"]) <= 3


def test_a_small_difference_moves_nothing() -> None:
    """Weights go up and down all day."""
    weights = {f"g{number}": 1 for number in range(200)}
    owners = {group: "a" if number < 109 else "b" for number, group in enumerate(weights)}

    assert {} == changes({"a", "b"}, {"a", "b"}, owners, weights, weights)


def test_one_group_that_outweighs_all_others_stays_and_the_others_move_away() -> None:  # pragma: allowlist secret
    """To move the heavy one would only move the problem."""
    weights = {"heavy": 512} | {f"g{number}": 1 for number in range(100)}
    after = divided({"a", "b"}, dict.fromkeys(weights, "a"), weights)

    assert "a" == after["heavy"] or {"a"} == {owner for group, owner in after.items() if group != "heavy"}
    assert {"a": 512, "b": 100} == loads({"a", "b"}, after, weights)


def test_a_group_that_outweighs_all_others_does_not_keep_them_from_being_divided() -> None:  # pragma: allowlist secret
    """Two of three fetchers can still share what is left."""
    weights = {"heavy": 512} | {f"g{number}": 1 for number in range(100)}
    owners = dict.fromkeys(weights, "b") | {"heavy": "a"}
    after = divided({"a", "b", "c"}, owners, weights)

    load = loads({"a", "b", "c"}, after, weights)
    assert 512 == load["a"]
    assert abs(load["b"] - load["c"]) <= 20


def test_fetchers_with_other_sources_keep_what_they_have_and_are_given_nothing() -> None:
    """In the middle of an upgrade, both generations are alive."""
    owners = {"g1": "old", "g2": "dead"}

    assert {"g2": "new"} == changes({"new"}, {"old", "new"}, owners, {}, ["g1", "g2"])


def test_without_members_nothing_changes() -> None:
    """A fetcher that does not find itself among the living waits for the next look."""
    assert {} == changes(set(), set(), {}, {}, ["g"])


@pytest.mark.parametrize(
    ("calls_a_minute", "weight"), [(0, 1), (2, 1), (2.1, 2), (4, 2), (60, 32), (600, 512), (1e9, 4096)]
)
def test_a_weight_is_a_step_of_the_calls_a_minute(calls_a_minute: float, weight: int) -> None:
    """Steps of two, so that it is written down seldom; bounded, so that no figure can take everything."""
    assert weight == weight_of(calls_a_minute)
