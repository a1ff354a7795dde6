"""Where the reading of a group begins that was never read before."""

import redis

from shared import keys
from shared.aws.logs_api import FoundGroup
from shared.settings.model import Source
from shared.settings.quantities import start_ms

DAY_MS = 86_400_000


def first_start(client: redis.Redis, now_ms: int) -> int:
    """Return when cwpipe was first started on this Redis, which is now if it never was."""
    client.set(keys.FIRST_START, now_ms, nx=True)
    return int(client.get(keys.FIRST_START) or 0)


def start_of(source: Source, group: FoundGroup, first_start_ms: int, now_ms: int) -> int:
    """Return the timestamp of the first events to read of `group`, in milliseconds."""
    if source.only_logs_after:
        return start_ms(source.only_logs_after, now_ms)
    if group.created_ms > first_start_ms:
        # An application's first events may be a little older than the group it creates for them.
        return group.created_ms - source.late_window
    return first_start_ms - first_start_ms % DAY_MS
