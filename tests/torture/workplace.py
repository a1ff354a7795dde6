"""Where a run keeps its sockets, its data and the logs of its processes."""

import atexit
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path


@contextmanager
def workplace(name: str) -> Iterator[Path]:
    """Have a directory of a short name, as a socket's address needs it; it is kept when what is done there fails."""
    directory = Path(tempfile.mkdtemp(prefix=f"cwpipe-torture-{name}-"))
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@cache
def bytecode() -> Path:
    """Return where all processes keep compiled modules, on a machine that does not want them beside the sources."""
    directory = Path(tempfile.mkdtemp(prefix="cwpipe-torture-bytecode-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return directory
