"""Names and globs of the settings against the groups there are."""

from collections.abc import Iterator
from typing import cast

import pytest

from shared.aws.discovery import look, matches, reference
from shared.aws.logs_api import FoundGroup, LogsApi
from shared.errors import SourceBusy, SourceDenied, SourceError
from shared.messages import GroupRef
from shared.settings.model import Source

ACCOUNT = "123456789012"


def a_group(name: str, log_class: str = "STANDARD") -> FoundGroup:
    return FoundGroup(name=name, account_id=ACCOUNT, log_class=log_class, created_ms=1)


class Listed:
    """Takes the place of the way to AWS: lists some groups by prefix, in order, or fails."""

    def __init__(self, *names: str, error: SourceError | None = None) -> None:
        self.prefixes: list[str] = []
        self._names = sorted(names)
        self._error = error

    def groups(self, prefix: str) -> Iterator[FoundGroup]:
        self.prefixes.append(prefix)
        if self._error is not None:
            raise self._error
        yield from (a_group(name) for name in self._names if name.startswith(prefix))

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
    assert names == [name for name in ("/a/1", "/a/2", "/a/2/b", "/b", "b") if matches(pattern, name)]


@pytest.mark.parametrize(("pattern", "prefix"), [("/a/*", "/a/"), ("*", ""), ("/a?b", "/a"), ("/a", "/a")])
def test_aws_is_asked_for_what_begins_like_the_pattern(pattern: str, prefix: str) -> None:
    """An account may have a million groups; 50 come at a call."""
    api = Listed("/a/1")
    found(api, pattern)

    assert [prefix] == api.prefixes


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
