"""Where `cwpipe run` keeps its state on this host, and what it hands to the roles it starts."""

import os
from pathlib import Path


def default_data_dir() -> Path:
    """Return $XDG_STATE_HOME/cwpipe, or ~/.local/state/cwpipe where that variable is not set."""
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"  # noqa: TID251 - a place, not a setting
    return Path(state).expanduser() / "cwpipe"


def url_file(data_dir: Path) -> Path:
    """Return the file in which a running embedded server leaves its redis_url."""
    return data_dir / "redis_url"


def running_url(data_dir: Path) -> str:
    """Return the redis_url of the embedded server that runs on `data_dir`, or "" when none does."""
    try:
        return url_file(data_dir).read_text().strip()
    except OSError:
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
