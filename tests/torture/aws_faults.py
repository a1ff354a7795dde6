"""What AWS does to its callers, by the names that a schedule draws."""

from collections.abc import Callable

from tests.standins.cloudwatch import CloudWatch
from tests.standins.cloudwatch_contents import Paging
from tests.torture.schedule import Accident

READ = "FilterLogEvents"
#: Empty pages, pages that repeat, tokens that repeat: all of it is allowed.
ODD_PAGES = Paging(page_events=50, leading_empty_pages=1, empty_pages=3, overlap=3, repeat_token=1, trailing_token=True)
#: Tokens that are often too old when they are used: the reading begins anew.
SHORT_TOKENS = Paging(page_events=20, token_life_ms=30)


def begin(aws: CloudWatch, accident: Accident) -> None:
    """Begin the fault that `accident.what` names."""
    (group,) = accident.victims
    faults: dict[str, Callable[[], object]] = {
        "throttled": lambda: aws.throttle(READ, 2.0),
        "busy": lambda: aws.fail("*", "ServiceUnavailableException"),
        "disconnected": lambda: aws.disconnect("*", times=5),
        "cut": lambda: aws.disconnect(READ, mid_body=True, times=5),
        "garbled": lambda: aws.garble("*", times=5),
        "late": lambda: aws.delay(READ, min(accident.seconds, 1.0)),
        "expired token": lambda: aws.fail(READ, "ExpiredTokenException", times=3),
        "expired sessions": aws.expire_sessions,
        "connections cut": aws.cut_connections,
        "denied": lambda: aws.fail(READ, "AccessDeniedException", times=1, group=group),
        "odd pages": lambda: _page(aws, ODD_PAGES),
        "short tokens": lambda: aws.group_paging.__setitem__(group, SHORT_TOKENS),
    }
    faults[accident.what]()


def end(aws: CloudWatch) -> None:
    """End every fault."""
    aws.recover()
    aws.throttle(READ, None)
    aws.group_paging.clear()
    _page(aws, Paging())


def _page(aws: CloudWatch, paging: Paging) -> None:
    aws.paging = paging
