"""An RQ job that is read within bounds: RQ itself unpacks what it finds, however much comes out of it.

Whoever can write to Redis could otherwise have a kilobyte there become gigabytes here, and kill worker after worker. A job
beyond the bounds is none: RQ drops it, and its batch is given another (shared/orphans.py).
"""

import zlib
from typing import Any

from rq.exceptions import NoSuchJobError
from rq.job import Job

#: A job of ours is a batch id and facts: a kilobyte or two, with the longest names that AWS allows.
MAX_DATA_BYTES = 64 * 1024
#: A traceback of a job that failed.
MAX_TRACEBACK_BYTES = 1024 * 1024


class BoundedJob(Job):
    """A job whose packed parts are of a bounded size."""

    def restore(self, raw_data: dict[Any, Any]) -> Any:
        """Read the job from its hash. Raises NoSuchJobError where it is no job that RQ could have made of ours."""
        for name, bound in ((b"data", MAX_DATA_BYTES), (b"exc_info", MAX_TRACEBACK_BYTES)):
            if not _fits(raw_data.get(name, b""), bound):
                raise NoSuchJobError(f"the {name.decode()} of job {self.id} is beyond {bound} bytes")
        return super().restore(raw_data)


def _fits(packed: bytes, bound: int) -> bool:
    if len(packed) > bound:
        return False
    try:
        unpacking = zlib.decompressobj()
        return len(unpacking.decompress(packed, bound + 1)) <= bound
    except zlib.error:
        return True  # RQ takes it as it is
