"""Which Redis the commands that look ask: the configured one, or the embedded server of a `cwpipe run` on this host."""

import fcntl
import os
from pathlib import Path

from shared.errors import Unreachable
from shared.settings.places import url_file

#: The supervisor and its server hold it for as long as either lives.
_LOCK = "lock"


def running_url(data_dir: Path) -> str:
    """Return the redis_url of the embedded server that runs on `data_dir`, or "" when none does.

    A run that was killed leaves its address behind, so the lock decides. Raises Unreachable when the directory is
    closed to us.
    """
    try:
        url = url_file(data_dir).read_text().strip()
        lock = os.open(data_dir / _LOCK, os.O_RDONLY)
    except PermissionError as error:
        raise Unreachable(
            f"--data-dir {data_dir}: {error.strerror}: run this as the user that `cwpipe run` runs as"
        ) from None
    except OSError:
        return ""
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return url
    finally:
        os.close(lock)
    return ""
