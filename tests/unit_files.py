"""Unit files of systemd, read as systemd reads them, as far as ours go."""

import shlex
from dataclasses import dataclass
from pathlib import Path

DIRECTORY = Path(__file__).parents[1] / "deploy" / "systemd"
SERVICES = sorted(path.name for path in DIRECTORY.glob("*.service"))


@dataclass(frozen=True)
class Unit:
    """A unit file: the values of each key, in their order, by `Section.Key`."""

    name: str
    values: dict[str, list[str]]

    def all(self, key: str) -> list[str]:
        """Return every value of a key."""
        return self.values.get(key, [])

    def one(self, key: str) -> str:
        """Return the one value of a key."""
        (value,) = self.values[key]
        return value

    def command(self, specifiers: dict[str, str]) -> list[str]:
        """Return the words of ExecStart, `%x` replaced by `specifiers["x"]`."""
        return shlex.split(_expanded(self.one("Service.ExecStart"), specifiers))

    def environment(self, specifiers: dict[str, str]) -> dict[str, str]:
        """Return the variables that the unit sets."""
        settings = [word for line in self.all("Service.Environment") for word in shlex.split(line)]
        return {name: _expanded(value, specifiers) for name, _, value in (text.partition("=") for text in settings)}


def read(name: str) -> Unit:
    """Return a unit file of deploy/systemd. Fails on a line that is none of a unit file."""
    section, values = "", {}  # type: str, dict[str, list[str]]
    for line in (DIRECTORY / name).read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            section = line.strip("[]")
            continue
        key, equals, value = line.partition("=")
        assert equals, f"{name}: {line}"
        values.setdefault(f"{section}.{key}", []).append(value)
    return Unit(name, values)


def seconds(text: str) -> float:
    """Return the seconds of a duration such as 90s or 10min."""
    return float(text.removesuffix("min")) * 60 if text.endswith("min") else float(text.removesuffix("s"))


def _expanded(text: str, specifiers: dict[str, str]) -> str:
    for letter, value in specifiers.items():
        text = text.replace(f"%{letter}", value)
    assert "%" not in text, f"a specifier without a value: {text}"
    return text
