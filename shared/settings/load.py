"""The settings in force: defaults, under the file, under the environment. The only reader of os.environ.

The file is the one asked for, else $CWPIPE_CONFIG, else ./cwpipe.toml, else /etc/cwpipe/cwpipe.toml. All faults of both
are found at once.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from shared.errors import SettingsError
from shared.settings import environment
from shared.settings.checks import check
from shared.settings.convert import Given, convert
from shared.settings.faults import Faults
from shared.settings.fields import variables
from shared.settings.model import Settings

SEARCHED = (Path("cwpipe.toml"), Path("/etc/cwpipe/cwpipe.toml"))
"""Where the file is looked for when none is named; the first that is there is read."""

#: A thousand sources with all their groups have less.
MAX_BYTES = 4 * 1024**2

_TOML_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


class Loaded(Struct, frozen=True):
    """The settings, and where each came from."""

    settings: Settings
    origins: Mapping[str, str]
    """Dotted key, such as `sources[0].regions` -> "default", "file /path" or "environment VARIABLE"."""
    file: Path | None
    """The file that was read, absolute; None if there is none."""


def load(path: Path | None = None, environ: Mapping[str, str] | None = None) -> Loaded:
    """Return the settings in force, of `path` if it is given; SettingsError with every fault of file and environment."""
    environ = environment.without_empty(os.environ if environ is None else environ)  # noqa: TID251 - the one place
    file, raw, unreadable = _read(path, environ)
    faults = Faults(file)
    faults.lines.extend(unreadable)
    for key, given in environment.scalars(environ).items():
        _put(raw, key.split("."), given)
    _put_source(raw, environ, faults)
    values = convert(raw, faults)
    check(values, faults)
    for variable in environment.unknown(environ):
        faults.unknown_variable(variable, [*variables(), *environment.EXTRA])
    if faults.lines:
        raise SettingsError(faults.lines)
    return Loaded(_built(values, file), faults.origins, file)


def require_sources(loaded: Loaded) -> None:
    """Raise SettingsError that says how to give sources, if there is none."""
    if not loaded.settings.sources:
        file = loaded.file or SEARCHED[-1]
        ways = f"add [[sources]] with name, regions and log_groups to {file}, or set {environment.LOG_GROUPS}"
        raise SettingsError([f"no log groups to read: {ways} and {environment.REGIONS[0]}"])


def _read(path: Path | None, environ: Mapping[str, str]) -> tuple[Path | None, dict[str, object], list[str]]:
    """Return the file, what it holds, and the faults that keep it from being read."""
    named, by = (path, "--config") if path else (environ.get(environment.CONFIG), environment.CONFIG)
    for candidate in [Path(named)] if named else SEARCHED:
        try:
            with candidate.open("rb") as stream:
                content = stream.read(MAX_BYTES + 1)
        except (FileNotFoundError, NotADirectoryError):
            if named:
                return candidate, {}, [f"{candidate}: there is no such file; {by} names it"]
            continue
        except OSError as error:
            return candidate, {}, [f"{candidate}: cannot be read: {error.strerror}"]
        file = candidate.absolute()
        if len(content) > MAX_BYTES:
            return file, {}, [f"{file}: is larger than {MAX_BYTES // 1024**2} MiB, so it is no configuration file"]
        try:
            return file, tomllib.loads(content.decode("utf-8-sig")), []
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            return file, {}, [f"{file}: is not UTF-8 text, at line {line}"]
        except (ValueError, RecursionError) as error:  # its own error, or a number or a nesting beyond all bounds
            return file, {}, [f"{file}: is not TOML{_place(str(error), content.decode('utf-8-sig'))}"]
    return None, {}, []


def _place(message: str, text: str) -> str:
    """Return ", at line 3, column 5: what is wrong" of a message of tomllib."""
    place = _TOML_PLACE.search(message)
    if place is None:
        return f": {message}"
    lines = text.split("\n")
    line, column = place.groups() if place[1] else (len(lines), len(lines[-1]) + 1)
    return f", at line {line}, column {column}: {message[: place.start()]}"


def _put(table: dict[str, object], parts: list[str], given: Given) -> None:
    """Set a key of nested tables. What stands where a table belongs is left, to be found at fault."""
    *names, last = parts
    for name in names:
        inner = table.setdefault(name, {})
        if not isinstance(inner, dict):
            return
        table = inner
    table[last] = given


def _put_source(raw: dict[str, object], environ: Mapping[str, str], faults: Faults) -> None:
    """Add the source that the environment gives, unless the file has some."""
    source = environment.source(environ)
    if source is None:
        if environment.REGIONS[0] in environ:
            faults.add(f"{environment.REGIONS[0]} in the environment does nothing without {environment.LOG_GROUPS}")
    elif raw.get("sources"):
        faults.add(
            f"{faults.file}: [[sources]] and {environment.LOG_GROUPS} in the environment both name groups; keep one"
        )
    elif "regions" not in source:
        faults.add(
            f"{environment.LOG_GROUPS} in the environment needs a region: set one of {', '.join(environment.REGIONS)}"
        )
    else:
        raw["sources"] = Given([source], environment.LOG_GROUPS)


def _built(values: dict[str, object], file: Path | None) -> Settings:
    try:
        return msgspec.convert(values, Settings)
    except msgspec.ValidationError as error:  # a type that convert has no rule for
        raise SettingsError([f"{file or 'the environment'}: {error}"]) from None
