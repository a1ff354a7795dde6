"""The password of the dashboard: the one in the configured file, or one that is made once and kept."""

import os
import secrets
import tempfile
from pathlib import Path

from shared.errors import SettingsError
from shared.settings.model import Dashboard
from shared.store import read_password

LEAST_CHARACTERS = 12
MADE_BYTES = 24

_FILE = "dashboard-password"


def password_file(settings: Dashboard, data_dir: Path) -> Path:
    """Return the file that holds the password, made if there is none. It is never shown: logs are read by many.

    Raises SettingsError when there is none and none can be kept.
    """
    if settings.password_file:
        return Path(settings.password_file)
    path = data_dir.absolute() / _FILE
    try:
        if not path.exists():
            _make(path)
    except OSError as error:
        raise SettingsError(
            [f"dashboard.password_file is not set, and {path} cannot be made: {error.strerror}: set it, or --data-dir"]
        ) from None
    return path


def read(path: Path) -> str:
    """Return the password in `path`. Raises SettingsError when there is none, or one that is soon guessed."""
    password = read_password("dashboard.password_file", str(path))
    if len(password) < LEAST_CHARACTERS:
        raise SettingsError(
            [f"dashboard.password_file = {path}: a password must have {LEAST_CHARACTERS} characters or more"]
        )
    return password


def _make(path: Path) -> None:
    """Put a new password at `path` in one step; where two start at once, the first one's stays."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{_FILE}") as draft:  # of mode 0600
        draft.write(f"{secrets.token_urlsafe(MADE_BYTES)}\n")
        draft.flush()
        try:
            os.link(draft.name, path)
        except FileExistsError:
            return
