"""Where `cwpipe run` keeps its state on this host, and what it hands to the roles it starts."""

import fcntl
import os
from pathlib import Path

from shared.errors import Unreachable


def default_data_dir() -> Path:
    """Return $XDG_STATE_HOME/cwpipe, or ~/.local/state/cwpipe where that variable is not set."""
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"  # noqa: TID251 - a place, not a setting
    return Path(state).expanduser() / "cwpipe"


def url_file(data_dir: Path) -> Path:
    """Return the file in which a running embedded server leaves its redis_url."""
    return data_dir / "redis_url"


def lock_file(data_dir: Path) -> Path:
    """Return the file that supervisor and server hold locked for as long as either lives."""
    return data_dir / "lock"


def running_url(data_dir: Path) -> str:
    """Return the redis_url of the embedded server that runs on `data_dir`, or "" when none does.

    A run that was killed leaves its address behind, so the lock decides. Raises Unreachable when the directory is
    closed to us.
    """
    try:
        url = url_file(data_dir).read_text().strip()
        lock = os.open(lock_file(data_dir), os.O_RDONLY)
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


def child_environment(redis_url: str, config: Path | None) -> dict[str, str]:
    """Return the environment of a role: our own, the server's address, and the very file that we have read."""
    environment = dict(os.environ) | {"CWPIPE_REDIS_URL": redis_url}  # noqa: TID251 - handed on, not read
    if config is not None:
        environment["CWPIPE_CONFIG"] = str(config.resolve())
    return environment


def neutral_environment() -> dict[str, str]:
    """Return our environment without what would configure a pipeline or name an AWS account."""
    ours = ("CWPIPE_", "AWS_", "REDIS_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}  # noqa: TID251 - handed on
