"""Whose group it is when several sources match."""

import pytest

from services.fetcher.owners import Owners
from shared.messages import GroupRef
from shared.settings.model import Source

REGION = "eu-west-1"


class Task:
    """A task that reads a group, and remembers whether it may."""

    def __init__(self, group: GroupRef) -> None:
        self.group = group
        self.retired = False
        self.gone = False

    def __call__(self) -> float | None:
        return None

    def retire(self, *, gone: bool = False) -> None:
        self.retired, self.gone = True, gone


def a_group(name: str = "/app/a", account: str = "1", region: str = REGION) -> GroupRef:
    return GroupRef(account_id=account, region=region, log_group=name)


def claim(owners: Owners, rank: int, group: GroupRef) -> tuple[bool, Task | None]:
    decided, task = owners.claim(rank, group, lambda: Task(group))
    assert task is None or isinstance(task, Task)
    return decided, task


def test_the_first_to_claim_a_group_has_it() -> None:
    """Of sources that need not wait for another; the others are told that it is decided."""
    owners = Owners()
    decided, task = claim(owners, 1, a_group())

    assert decided
    assert task is not None
    assert (True, None) == claim(owners, 1, a_group())
    assert (True, None) == claim(owners, 2, a_group())
    assert 1 == len(owners)


def test_an_earlier_source_takes_over() -> None:
    """It found the group later, in a search of its own."""
    owners = Owners()
    _, late = claim(owners, 1, a_group())
    _, early = claim(owners, 0, a_group())

    assert late is not None
    assert early is not None
    assert [True, False] == [late.retired, early.retired]
    assert not late.gone
    assert 1 == len(owners)


def test_one_name_in_two_accounts_is_two_groups() -> None:
    """And in two regions."""
    owners = Owners()
    for group in (a_group(), a_group(account="2"), a_group(region="us-east-1")):
        assert claim(owners, 0, group)[1] is not None
    assert 3 == len(owners)


@pytest.mark.parametrize(
    ("log_groups", "region", "waits"),
    [
        (("/app/a",), REGION, True),
        (("/other", "/app/*"), REGION, True),
        (("/app/b", "/aws/*"), REGION, False),
        (("/app/*",), "us-east-1", False),
    ],
)
def test_a_group_is_left_to_an_earlier_source_that_has_not_looked_yet(
    log_groups: tuple[str, ...], region: str, waits: bool
) -> None:
    """If its names match there: its discard rules would come too late for what the other read meanwhile."""
    owners = Owners()
    owners.expect(0, region, Source(name="s", regions=(region,), log_groups=log_groups))

    assert waits != claim(owners, 1, a_group())[0]
    owners.has_looked(0, region)
    assert claim(owners, 1, a_group())[0]


def test_a_source_does_not_wait_for_itself_or_a_later_one() -> None:
    """All of them are expected at first."""
    owners = Owners()
    for rank in (0, 1):
        owners.expect(rank, REGION, Source(name="s", regions=(REGION,), log_groups=("*",)))

    assert claim(owners, 0, a_group())[1] is not None


def test_groups_that_are_gone_are_let_go() -> None:
    """Those of this source in this region only; they may be claimed again."""
    owners = Owners()
    tasks = {
        name: claim(owners, rank, group)[1]
        for name, rank, group in (
            ("kept", 0, a_group("/kept")),
            ("gone", 0, a_group("/gone")),
            ("elsewhere", 0, a_group("/gone", region="us-east-1")),
            ("another's", 1, a_group("/theirs")),
        )
    }
    owners.release(0, REGION, {a_group("/kept")})

    assert ["gone"] == [name for name, task in tasks.items() if task is not None and task.retired and task.gone]
    assert claim(owners, 1, a_group("/gone"))[1] is not None
