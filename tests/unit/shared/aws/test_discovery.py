"""Names and globs of the settings against the groups there are."""

from collections.abc import Iterator
from typing import cast

import pytest

from shared.aws.discovery import look, reference
from shared.aws.logs_api import FoundGroup, LogsApi
from shared.errors import SourceBusy, SourceDenied, SourceError
from shared.messages import GroupRef
from shared.settings import log_groups
from shared.settings.model import Source

ACCOUNT = "123456789012"


def a_group(name: str, log_class: str = "STANDARD") -> FoundGroup:
    return FoundGroup(name=name, account_id=ACCOUNT, log_class=log_class, created_ms=1)


class Listed:
    """Takes the place of the way to AWS: lists some groups in order, as it is asked to, or fails."""

    region = "eu-west-1"

    def __init__(self, *names: str, error: SourceError | None = None) -> None:
        self.prefixes: list[str] = []
        self.asked: list[tuple[str, str, tuple[str, ...]]] = []
        self._names = sorted(names)
        self._error = error

    def groups(
        self, prefix: str = "", *, part: str = "", names: tuple[str, ...] = (), accounts: tuple[str, ...] | None = None
    ) -> Iterator[FoundGroup]:
        assert accounts is None
        assert sum(map(bool, (prefix, part, names))) <= 1
        self.prefixes.append(prefix)
        self.asked.append((prefix, part, names))
        if self._error is not None:
            raise self._error
        wanted = (name for name in self._names if not names or name in names)
        yield from (a_group(name) for name in wanted if name.startswith(prefix) and part in name)

    def account_id(self) -> str:
        return ACCOUNT


def found(api: Listed, *log_groups: str) -> tuple[list[str], tuple[str, ...]]:
    """Return the names found, and those missing."""
    source = Source(name="s", regions=("eu-west-1",), log_groups=log_groups)
    discovered = look(source, cast("LogsApi", api))
    return [group.name for group in discovered.groups], discovered.missing


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("*", ["/a/1", "/a/2", "/a/2/b", "/b", "b"]),
        ("/a/*", ["/a/1", "/a/2", "/a/2/b"]),
        ("/a/?", ["/a/1", "/a/2"]),
        ("/a/[13]", ["/a/1"]),
        ("/a/[!1]", ["/a/2"]),
        ("*b", ["/a/2/b", "/b", "b"]),
        ("/A/*", []),
        ("/b", ["/b"]),
    ],
)
def test_a_glob_matches_whole_names_by_case(pattern: str, names: list[str]) -> None:
    """A star passes slashes: log groups know no folders."""
    assert names == found(Listed("/a/1", "/a/2", "/a/2/b", "/b", "b"), pattern)[0]
    assert names == [
        name for name in ("/a/1", "/a/2", "/a/2/b", "/b", "b") if log_groups.read(pattern).matches(ACCOUNT, name)
    ]


@pytest.mark.parametrize(("pattern", "prefix"), [("/a/*", "/a/"), ("*", ""), ("/a?b", "/a"), ("/a", "/a")])
def test_aws_is_asked_for_what_begins_like_the_pattern(pattern: str, prefix: str) -> None:
    """An account may have a million groups; 50 come at a call."""
    api = Listed("/a/1")
    found(api, pattern)

    assert [prefix] == api.prefixes


@pytest.mark.parametrize(
    ("patterns", "asked"),
    [
        (["/a", "/b", "/c"], [("", "", ("/a", "/b", "/c"))]),
        (["/a/*", "/a/b/*", "/a/c", "/d"], [("/a/", "", ()), ("/d", "", ())]),
        (["*", "/a", "/b*"], [("", "", ())]),
        (["/a/*-orders-*"], [("", "-orders-", ()), ("", "", ("/a/1-orders-x",))]),
        (["/aws/lambda/*-api"], [("/aws/lambda/", "", ())]),
        (["*[xy]z"], [("", "", ())]),
        (["no such name", "an umlaut: \xe4"], []),
    ],
    ids=str,
)
def test_aws_is_asked_as_seldom_as_it_allows(
    patterns: list[str], asked: list[tuple[str, str, tuple[str, ...]]]
) -> None:
    """Fifty names go in one call, a listing is not made twice, and what a name holds goes before a short beginning."""
    api = Listed("/a/1-orders-x", "/a/2", "/orders")
    found(api, *patterns)

    assert asked == api.asked


def test_a_list_of_names_goes_in_calls_of_fifty() -> None:
    """As AWS takes them."""
    names = [f"/g/{number}" for number in range(120)]
    api = Listed(*names)

    assert (sorted(names), ()) == (sorted(found(api, *names)[0]), ())
    assert [50, 50, 20] == [len(named) for _, _, named in api.asked]


def test_what_is_excluded_is_not_found_and_not_missing() -> None:
    """By name or glob; what matches no other entry is nobody's."""
    api = Listed("/app/a", "/app/b", "/app/b/debug")
    source = Source(
        name="s", regions=("eu-west-1",), log_groups=("/app/*", "/app/a"), exclude_log_groups=("*/debug", "/app/b")
    )
    discovered = look(source, cast("LogsApi", api))

    assert (["/app/a"], ()) == ([group.name for group in discovered.groups], discovered.missing)


def test_an_exact_name_is_one_group_or_missing() -> None:
    """What begins with it does not count, and a glob that matches nothing yet is no fault."""
    api = Listed("/app", "/app/2")

    assert (["/app"], ("/ap", "/none")) == found(api, "/app", "/ap", "/none", "/none/*")


def test_a_group_found_twice_is_one() -> None:
    """By its name and by a glob."""
    assert ["/app", "/app/2"] == found(Listed("/app", "/app/2"), "/app", "/app*", "*")[0]


def test_where_listing_is_denied_exact_names_are_taken_on_trust() -> None:
    """With the account of the credentials; globs cannot be, and the denial is handed on with what was found."""
    denied = SourceDenied("no")
    source = Source(name="s", regions=("eu-west-1",), log_groups=("/aws/*", "/app"))
    discovered = look(source, cast("LogsApi", Listed(error=denied)))

    assert ["/app"] == [group.name for group in discovered.groups]
    assert GroupRef(account_id=ACCOUNT, region="eu-west-1", log_group="/app") == reference(
        discovered.groups[0], "eu-west-1"
    )
    assert denied is discovered.denied
    assert () == discovered.missing


def test_any_other_trouble_is_raised() -> None:
    """Half a list is no list: a group that is missing from it would be taken for deleted."""
    with pytest.raises(SourceBusy):
        found(Listed(error=SourceBusy("slow down")), "/app", "/aws/*")
