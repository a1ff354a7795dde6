"""Metrics as they are scraped, and the names in expressions of PromQL."""

import re
from pathlib import Path
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

DOCUMENT = Path(__file__).parents[1] / "docs/metrics.md"

_ROW = re.compile(r"^\| `(cwpipe_[a-z_]+)` \| (counter|gauge|histogram) \|", re.M)
_STRING = re.compile(r'"[^"]*"')
_NAME = re.compile(r"\bcwpipe_[a-z_]+\b")

Series = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def known() -> set[str]:
    """Return the name of every series of ours that the documents tell of; another test has them complete."""
    names = set()
    for name, kind in _ROW.findall(DOCUMENT.read_text(encoding="utf-8")):
        names |= {f"{name}_{part}" for part in ("bucket", "sum", "count")} if kind == "histogram" else {name}
    assert names
    return names


def named(expression: str) -> set[str]:
    """Return the names of our series in an expression."""
    return set(_NAME.findall(_STRING.sub("", expression)))


def scraped(port: int) -> Series:
    """Return all series that a role serves on the loopback: name and sorted labels, and the value."""
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
        text = answer.read().decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def total(series: Series, name: str, **labels: str) -> float | None:
    """Return the sum of the series of this name that have these labels; None: there is none."""
    wanted = labels.items()
    found = [value for (each, pairs), value in series.items() if each == name and wanted <= dict(pairs).items()]
    return sum(found) if found else None
