"""What keeps a forwarder waiting is said once, and again from time to time; so is the end of it."""

from time import monotonic

import structlog

from services.forwarder.reasons import reason
from shared import metrics

#: Shorter waits are nobody's concern.
SHORT_SECONDS = 1.0
REMIND_SECONDS = 60.0

log = structlog.get_logger()


class Waiting:
    """One stretch of waiting after another."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._said_at: float | None = None
        self._counted_to = 0.0

    def goes_on(self, why: str) -> None:
        """Note that the receiver keeps us waiting, and say why if that has not been said lately."""
        now = monotonic()
        if self._since is None:
            self._since = self._counted_to = now
        self._count(now)
        if now - self._since > SHORT_SECONDS and now - (self._said_at or -REMIND_SECONDS) > REMIND_SECONDS:
            log.warning("waiting for the receiver", reason=reason(why), why=why, seconds=round(now - self._since))
            self._said_at = now

    def is_over(self) -> None:
        """Note that the receiver got on."""
        if self._since is None:
            return
        now = monotonic()
        self._count(now)
        if self._said_at is not None and self._said_at > self._since:
            log.info("the receiver reads again", seconds=round(now - self._since))
        self._since, self._said_at = None, None

    def _count(self, now: float) -> None:
        """Count as it goes on: whoever looks at a receiver that is away for hours should see it."""
        metrics.RECEIVER_WAIT.inc(now - self._counted_to)
        self._counted_to = now
