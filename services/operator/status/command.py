"""What `cwpipe status` does: look once and print, or follow on the whole screen."""

import json
import time
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec

from services.operator.connection import connected
from services.operator.status.collect import Status, read
from services.operator.status.render import group_lines, lines
from shared.errors import SettingsError
from shared.settings.load import Loaded


def show(loaded: Loaded, data_dir: Path, *, as_json: bool, group: str = "") -> None:
    """Print the status, or of the groups that match `group` all that is known. Blocks on Redis for seconds at most.

    Raises Unreachable when there is no Redis to ask, SettingsError when no group matches.
    """
    with connected(loaded, data_dir) as client:
        status = read(client, time.time())
    if group:
        status = _of(status, group)
    if as_json:
        print(json.dumps(msgspec.to_builtins(status)))
    elif group:
        print("\n".join(line for one in status.groups for line in group_lines(one)))
    else:
        print("\n".join(lines(status)))


def _of(status: Status, pattern: str) -> Status:
    """Return the status with the groups that match alone. Queues, totals and the rest stay those of all."""
    found = [one for one in status.groups if fnmatchcase(one.log_group, pattern)]
    if not found:
        raise SettingsError(
            [
                f"--group {pattern}: of the {len(status.groups)} groups that were read so far none matches: "
                "`cwpipe status` lists them, `cwpipe plan` shows what the settings match"
            ]
        )
    return msgspec.structs.replace(status, groups=sorted(found, key=lambda one: (one.region, one.log_group)))
