"""Python's cyclic garbage collector, told what a role is like: thousands of events at a time, and hardly a cycle.

Untold, it looks through all that the start has made, boto3's and RQ's thousands of objects, again and again while the
events of a page come and go: a tenth of a role's processor time (docs/performance.md).
"""

import gc

#: Objects that may come into being, less those that go, before the young ones are looked through. Python's is 700.
YOUNG_OBJECTS = 50_000


def settle() -> None:
    """Leave what exists now out of every later look: the role is wired, and this stays until it ends."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, *gc.get_threshold()[1:])
