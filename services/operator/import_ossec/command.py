"""`cwpipe import-ossec`: settings that do what an ossec.conf's `cloudwatchlogs` services did, from where they stopped."""

import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from services.operator.import_ossec import state as import_ossec_state
from services.operator.import_ossec import toml as import_ossec_toml
from services.operator.import_ossec.sources import Imported
from services.operator.import_ossec.state import GroupPlace, Stopped
from shared.errors import Incomplete, SettingsError
from shared.settings.quantities import parse_duration


def run(
    file: Path, state: Path | None, *, ask_aws: bool = False, ended_after: str = "", output: Path | None = None
) -> None:
    """Write the settings, and a summary on standard error. Blocks on files, and with `ask_aws` on AWS; changes nothing there.

    Raises SettingsError when there is nothing to import, SourceError when AWS does not answer, Incomplete when something is
    left to be done by hand.
    """
    with suppress(OSError, ValueError):  # whoever writes it says better what is wrong with it
        if output is not None and output.exists():
            raise SettingsError([_there(output)])
    imported = Imported(file, _state(state, ended_after, ask_aws=ask_aws), ask_aws=ask_aws)
    written = import_ossec_toml.text(imported.parts)
    if output is None:
        print(written, end="")
    else:
        _write(output, written)
    for line in imported.summary():
        print(line, file=sys.stderr)
    if imported.todos:
        raise Incomplete(f"{imported.todos} left to be done by hand: look for TO DO in the settings")


def _state(place: Path | None, ended_after: str, *, ask_aws: bool) -> Mapping[GroupPlace, Stopped]:
    try:
        ended_ms = parse_duration(ended_after) if ended_after else 0
    except ValueError as error:
        raise SettingsError([f"--ended-after {ended_after}: {error}"]) from None
    if ended_after and ask_aws:
        raise SettingsError(["--ended-after guesses what --ask-aws knows: give one of them"])
    if place is None and (ended_after or ask_aws):
        raise SettingsError([f"{'--ask-aws' if ask_aws else '--ended-after'} has no meaning without --state"])
    return import_ossec_state.read(place, ended_ms) if place is not None else {}


def _write(output: Path, text: str) -> None:
    try:
        with output.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        raise SettingsError([_there(output)]) from None
    except (OSError, ValueError) as error:
        raise SettingsError([f"--output {output}: cannot be written: {error}"]) from None


def _there(output: Path) -> str:
    return f"--output {output}: is there already, and is not overwritten"
