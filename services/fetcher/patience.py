"""How long to leave alone what failed: a back-off for each group and each source, and when a `--once` gives up."""

import random
from collections.abc import Callable
from time import monotonic

from shared.errors import SourceError, SourceUnreachable

#: Throttling and AWS's own faults: from half a second up.
FIRST_SECONDS = 0.5
LONGEST_SECONDS = 30.0
#: What somebody has to mend first: permissions, credentials, a missing group.
FIRST_LASTING_SECONDS = 5.0
LONGEST_LASTING_SECONDS = 300.0
#: A `--once` takes an endpoint that does not answer for so long as a mistake.
UNREACHABLE_SECONDS = 45.0


class Patience:
    """The back-off of one task. `once`: give up what waiting will not mend."""

    def __init__(self, *, once: bool, clock: Callable[[], float] = monotonic) -> None:
        self._once = once
        self._clock = clock
        self._failures = 0
        self._failing_since = 0.0

    def succeeded(self) -> None:
        """Forget the failures so far."""
        self._failures = 0

    def failed(self, error: SourceError) -> float | None:
        """Return the seconds to wait after `error`, or None to give up."""
        if not self._failures:
            self._failing_since = self._clock()
        self._failures += 1
        if self._once and (error.lasting or self._is_hopeless(error)):
            return None
        first, longest = (
            (FIRST_LASTING_SECONDS, LONGEST_LASTING_SECONDS) if error.lasting else (FIRST_SECONDS, LONGEST_SECONDS)
        )
        # Full jitter over the upper half: groups throttled together do not come back together.
        return min(longest, first * 2.0 ** min(self._failures - 1, 20)) * random.uniform(0.5, 1.0)  # noqa: S311 - no secret

    def _is_hopeless(self, error: SourceError) -> bool:
        return isinstance(error, SourceUnreachable) and self._clock() - self._failing_since >= UNREACHABLE_SECONDS
