"""How long what failed is left alone."""

import pytest

from services.fetcher.patience import (
    FIRST_LASTING_SECONDS,
    FIRST_SECONDS,
    LONGEST_LASTING_SECONDS,
    LONGEST_SECONDS,
    UNREACHABLE_SECONDS,
    Patience,
)
from shared.errors import (
    CredentialsExpired,
    SourceBusy,
    SourceDenied,
    SourceError,
    SourceUnreachable,
    TokenRefused,
)


@pytest.mark.parametrize(
    ("error", "first", "longest"),
    [
        (SourceBusy("x"), FIRST_SECONDS, LONGEST_SECONDS),
        (SourceUnreachable("x"), FIRST_SECONDS, LONGEST_SECONDS),
        (TokenRefused("x"), FIRST_SECONDS, LONGEST_SECONDS),
        (SourceDenied("x"), FIRST_LASTING_SECONDS, LONGEST_LASTING_SECONDS),
        (CredentialsExpired("x"), FIRST_LASTING_SECONDS, LONGEST_LASTING_SECONDS),
        (SourceError("x"), FIRST_LASTING_SECONDS, LONGEST_LASTING_SECONDS),
    ],
)
def test_a_service_waits_twice_as_long_each_time_up_to_a_bound(
    error: SourceError, first: float, longest: float
) -> None:
    """Without end, and never at the same moment as the other groups that were refused with it."""
    patience = Patience(once=False)
    for failure in range(2000):
        delay = patience.failed(error)
        most = min(longest, first * 2.0 ** min(failure, 100))

        assert delay is not None
        assert most / 2 <= delay <= most


def test_success_is_the_end_of_the_back_off() -> None:
    """The next failure is a first one again."""
    patience = Patience(once=False)
    for _ in range(10):
        patience.failed(SourceBusy("x"))
    patience.succeeded()

    assert (patience.failed(SourceBusy("x")) or 0) <= FIRST_SECONDS


@pytest.mark.parametrize("error", [SourceError("x"), SourceDenied("x"), CredentialsExpired("x")])
def test_once_gives_up_what_somebody_has_to_mend(error: SourceError) -> None:
    """At the first failure: a second try would say the same."""
    assert Patience(once=True).failed(error) is None


def test_once_waits_for_throttling_as_long_as_it_takes() -> None:
    """Others use the quota too."""
    now = [0.0]
    patience = Patience(once=True, clock=lambda: now[0])
    for _ in range(100):
        now[0] += 3600

        assert patience.failed(SourceBusy("x")) is not None


def test_once_gives_up_an_endpoint_that_does_not_answer_for_a_while() -> None:
    """Counted from the first of the failures in a row; a service never gives up."""
    now = [0.0]
    once, service = (Patience(once=once, clock=lambda: now[0]) for once in (True, False))
    unreachable = SourceUnreachable("x")
    once.failed(unreachable)
    once.succeeded()
    now[0] = 1000
    waits = [once.failed(unreachable)]
    now[0] += UNREACHABLE_SECONDS - 0.1
    waits.append(once.failed(unreachable))
    now[0] += 0.1

    assert None not in waits
    assert once.failed(unreachable) is None
    service.failed(unreachable)
    now[0] += 10_000
    assert service.failed(unreachable) is not None
