"""A process that takes part in the division of groups: python -m tests.integration.lease_holder REDIS GROUPS

Each change of its groups goes to the hash `test:ours`, by its process id: how many they are, a sum of their numbers, and when.
"""

import json
import os
import signal
import sys
import time

from services.fetcher.leases import Leases
from shared import store


def main() -> None:
    """Hold leases until SIGTERM, which gives them back."""
    client, groups = store.connect(sys.argv[1]), range(int(sys.argv[2]))

    def changed() -> None:
        ours = [number for number in groups if leases.is_ours(f"g{number}")]
        client.hset("test:ours", str(os.getpid()), json.dumps([len(ours), sum(ours), time.time()]))

    leases = Leases(client, "same")
    leases.changed = changed
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    leases.start()
    for number in groups:
        leases.know(f"g{number}")
    leases.look()
    signal.sigwait({signal.SIGTERM})
    leases.stop()


if __name__ == "__main__":
    main()
