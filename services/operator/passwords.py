"""`cwpipe passwords`: the passwords of a stack, made once into a directory that its containers share.

    redis-password       of Redis: a setting of every role (redis_password_file)
    redis.conf           the same, as Redis reads it
    dashboard-password   of the dashboard's user

and, into a directory of its own, that nothing but Grafana reads:

    grafana-password     of Grafana's administrator

Files are readable by owner and group only. What is there stays as it is: the queues outlive a restart.
"""

import os
import secrets
from pathlib import Path

from shared.errors import SettingsError

PASSWORD_BYTES = 24


def make(directory: Path, *, grafana: bool = False) -> None:
    """Make what is missing in `directory`, of Grafana alone or of all others. Raises SettingsError when that cannot be."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if grafana:
            _password(directory / "grafana-password")
            return
        redis = _password(directory / "redis-password")
        _write(directory / "redis.conf", f'requirepass "{_quoted(redis)}"\n')
        _password(directory / "dashboard-password")
    except OSError as error:
        raise SettingsError([f"{error.filename or directory}: {error.strerror}"]) from None


def _password(path: Path) -> str:
    """Return the password kept at `path`, a new one if there is none."""
    kept = path.read_text().rstrip("\r\n") if path.exists() else ""
    if not kept:
        kept = secrets.token_urlsafe(PASSWORD_BYTES)
        _write(path, f"{kept}\n")
    return kept


def _quoted(password: str) -> str:
    """Return one that somebody has put there as it stands between quotes in redis.conf."""
    return password.replace("\\", "\\\\").replace('"', '\\"')


def _write(path: Path, text: str) -> None:
    """Put the file in place in one step, so that nobody reads half of it, not even after the host has lost its power."""
    draft = path.with_suffix(".new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
