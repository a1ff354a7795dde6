"""A process that calls FilterLogEvents as fast as it is let.

python -m tests.integration.limited_caller REDIS AWS REGION SECONDS
"""

import sys
from time import monotonic

from shared import store
from shared.aws.limiter import Limiter
from shared.aws.logs_api import LogsApi
from shared.aws.sessions import SourceSession
from shared.errors import SourceBusy
from shared.settings.model import Source


def main() -> None:
    """Call until the time is over, then say how often it was throttled."""
    redis_url, endpoint_url, region, seconds = sys.argv[1:]
    source = Source(name="s", regions=(region,), log_groups=("*",), endpoint_url=endpoint_url)
    limiter = Limiter(store.connect(redis_url), 0.8)
    api = LogsApi(SourceSession(source), "s", region, lambda _: None, limiter)
    api.know_account("123456789012")
    end, throttled = monotonic() + float(seconds), 0
    while monotonic() < end:
        try:
            api.page("/app", 0, 1_000)
        except SourceBusy:
            throttled += 1
    sys.stdout.write(f"{throttled}\n")


if __name__ == "__main__":
    main()
