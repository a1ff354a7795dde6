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

    def goes_on(self, why: str) -> None:
        """Note that the receiver keeps us waiting, and say why if that has not been said lately."""
        now = monotonic()
        self._since = self._since or now
        if now - self._since > SHORT_SECONDS and now - (self._said_at or -REMIND_SECONDS) > REMIND_SECONDS:
            log.warning("waiting for the receiver", reason=reason(why), why=why, seconds=round(now - self._since))
            self._said_at = now

    def is_over(self) -> None:
        """Note that the receiver got on."""
        if self._since is None:
            return
        waited = monotonic() - self._since
        metrics.RECEIVER_WAIT.inc(waited)
        if self._said_at is not None and self._said_at > self._since:
            log.info("the receiver reads again", seconds=round(waited))
        self._since, self._said_at = None, None
