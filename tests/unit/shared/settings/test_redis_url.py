"""A URL of Sentinels: whom to ask, for what, and with which password for the server."""

import pytest

from shared.settings.redis_url import SentinelUrl, by_sentinels, has_tls, parse_sentinels


@pytest.mark.parametrize(
    ("url", "sentinels", "service", "database", "login"),
    [
        ("redis+sentinel://a/main", (("a", 26379),), "main", 0, ("", "")),
        ("redis+sentinel://a:1,b,c:3/main/7", (("a", 1), ("b", 26379), ("c", 3)), "main", 7, ("", "")),
        ("rediss+sentinel://joe:p%40w%2F@a/main/0", (("a", 26379),), "main", 0, ("joe", "p@w/")),
        ("redis+sentinel://:pw@[::1]:5,[fe80::2]/my-main", (("::1", 5), ("fe80::2", 26379)), "my-main", 0, ("", "pw")),
    ],
)
def test_what_a_url_says(
    url: str, sentinels: tuple[tuple[str, int], ...], service: str, database: int, login: tuple[str, str]
) -> None:
    """The form that other clients read too."""
    expected = SentinelUrl(sentinels=sentinels, service=service, database=database, user=login[0], password=login[1])

    assert expected == parse_sentinels(url)
    assert by_sentinels(url)


@pytest.mark.parametrize(
    "rest",
    ["", "a", "a/", "/main", "a,/main", "a:/main", "a:x/main", "a:70000/main", "a/main/x", "a/main/0/1", "a/main?x=1",
     "[::1]x:1/main", "[::1/main"],
)  # fmt: skip
def test_what_says_nothing_is_refused(rest: str) -> None:
    """Guessing would ask somebody else."""
    with pytest.raises(ValueError):  # noqa: PT011 - of any words
        parse_sentinels(f"redis+sentinel://{rest}")


def test_tls_is_in_the_scheme() -> None:
    """As redis-py has it, for Sentinels too."""
    assert [False, True, False, False, True] == [
        has_tls(f"{scheme}://host") for scheme in ("redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel")
    ]
