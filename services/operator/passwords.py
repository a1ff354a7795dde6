"""`cwpipe passwords`: the passwords of a stack, made once into a directory that its containers share.

    redis-password       of Redis: a setting of every role (redis_password_file)
    redis.conf           the same, as Redis reads it
    dashboard-password   of the dashboard's user

Files are readable by owner and group only. What is there stays as it is: the queues outlive a restart.
"""

import os
import secrets
from pathlib import Path

from shared.errors import SettingsError

PASSWORD_BYTES = 24


def make(directory: Path) -> None:
    """Make what is missing in `directory`. Raises SettingsError when it cannot be written to."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        redis = _password(directory / "redis-password")
        _write(directory / "redis.conf", f"requirepass {redis}\n")
        _password(directory / "dashboard-password")
    except OSError as error:
        raise SettingsError([f"{directory}: cannot be written to: {error.strerror}"]) from None


def _password(path: Path) -> str:
    """Return the password kept at `path`, a new one if there is none."""
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        password = secrets.token_urlsafe(PASSWORD_BYTES)
        _write(path, f"{password}\n")
        return password


def _write(path: Path, text: str) -> None:
    """Put the file in place in one step, so that nobody reads half of it."""
    draft = path.with_suffix(".new")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640), "w") as file:
        file.write(text)
    draft.replace(path)
