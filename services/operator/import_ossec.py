"""`cwpipe import-ossec`: settings that do what an ossec.conf's `cloudwatchlogs` services did, from where they stopped."""

import sys
from collections.abc import Mapping
from pathlib import Path

from services.operator import import_ossec_state, import_ossec_toml
from services.operator.import_ossec_sources import Imported
from services.operator.import_ossec_state import GroupPlace, Stopped
from shared.errors import Incomplete, SettingsError
from shared.settings.quantities import format_duration, parse_duration


def run(file: Path, state: Path | None, ended_after: str, output: Path | None) -> None:
    """Write the settings, and a summary on standard error. Blocks on files; changes nothing of Wazuh's.

    Raises SettingsError when there is nothing to import, Incomplete when something is left to be done by hand.
    """
    stopped = _state(state, ended_after)
    imported = Imported(file, stopped)
    written = import_ossec_toml.text(imported.parts)
    if output is None:
        print(written, end="")
    else:
        _write(output, written)
    for line in imported.summary():
        print(line, file=sys.stderr)
    if imported.todos:
        raise Incomplete(f"{imported.todos} left to be done by hand: look for TO DO in the settings")


def _state(place: Path | None, ended_after: str) -> Mapping[GroupPlace, Stopped]:
    try:
        ended_ms = parse_duration(ended_after) if ended_after else 0
    except ValueError as error:
        raise SettingsError([f"--ended-after {ended_after}: {error}"]) from None
    if place is None:
        if ended_after:
            raise SettingsError([f"--ended-after {format_duration(ended_ms)} has no meaning without --state"])
        return {}
    return import_ossec_state.read(place, ended_ms)


def _write(output: Path, text: str) -> None:
    try:
        with output.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        raise SettingsError([f"--output {output}: is there already, and is not overwritten"]) from None
    except (OSError, ValueError) as error:
        raise SettingsError([f"--output {output}: cannot be written: {error}"]) from None
