"""The faults of a configuration, each as one line: place, key, value, and what is allowed."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path

from msgspec import inspect

from shared.settings.fields import tables
from shared.settings.words import either
from shared.settings.written import key_part, shortened, shown


class Faults:
    """Collects faults instead of stopping at the first, and knows where each value came from."""

    def __init__(self, file: Path | None) -> None:
        self.file = file
        self.lines: list[str] = []
        self.origins: dict[str, str] = {}
        """Dotted key -> "default", "file /path" or "environment VARIABLE"."""
        self._source_names: dict[str, str] = {}

    def name_source(self, key: str, table: Mapping[str, object]) -> None:
        """Remember the name of the table at `key` of a list, so that its faults can be told apart by it."""
        if isinstance(name := table.get("name"), str):
            self._source_names[key] = name

    def value(self, key: str, value: object, sentence: str) -> None:
        """Add that `value` at `key` is at fault; `sentence` says what is allowed."""
        origin, _, variable = self._origin(key).partition(" ")
        text = shortened(shown(key, value))
        if origin == "environment":
            self.lines.append(f"{variable} = {text}: {sentence}")
        else:
            self.lines.append(f"{self.file}: {self._titled(key)} = {text}: {sentence}")

    def missing(self, key: str, sentence: str) -> None:
        """Add that `key`, which has no default, is not given."""
        self.lines.append(f"{self.file}: {self._titled(key)} is missing: {sentence}")

    def unknown_key(self, prefix: str, name: str, table: inspect.StructType) -> None:
        """Add that `table` has no key `name`, with what may have been meant and what there is."""
        known = [field.encode_name for field in table.fields]
        key = self._titled(f"{prefix}{key_part(name)}")
        self.lines.append(f"{self.file}: {key} is not a key{_hint(name, known)}; known here: {', '.join(known)}")

    def unknown_variable(self, variable: str, known: Iterable[str]) -> None:
        """Add that nothing reads the environment variable `variable`."""
        name = variable.encode("ascii", "backslashreplace").decode()  # shows a letter that only looks like one
        self.lines.append(f"{name} in the environment is not a setting{_meant(variable, known)}; see docs/settings.md")

    def add(self, line: str) -> None:
        """Add a fault that is not about one value."""
        self.lines.append(line)

    def _origin(self, key: str) -> str:
        """Return the origin of `key`; that of the whole list where `key` is one item of it."""
        return self.origins.get(key) or self.origins.get(key.rpartition("[")[0], "")

    def _titled(self, key: str) -> str:
        end = key.find("]") + 1
        name = self._source_names.get(key[:end])
        return key if name is None else f"{key} (source {shown('name', name)})"


def _hint(name: str, known: list[str]) -> str:
    """Return where a known name is misplaced, or which one is meant."""
    places = [table for table, info in tables() if name in {field.encode_name for field in info.fields}]
    if not places:
        return _meant(name, known)
    if "" in places:
        return "; it belongs above the first [table] of the file"
    return (
        f"; it belongs in {either([f'[[{place[:-2]}]]' if place.endswith('[]') else f'[{place}]' for place in places])}"
    )


def _meant(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""
