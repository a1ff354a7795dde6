"""The benchmarks run and print all their figures. What the figures are is not tested: nothing here is about speed."""

import math
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: What the stand-in for Wazuh's module has to look like for the benchmark: a script beside a package of utilities.
_NUMBER = re.compile(r"-?[\d,]+(?:\.\d+)?$")


def _run(module: str, *options: str) -> str:
    words = [sys.executable, "-m", f"tests.benchmarks.{module}", *options]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr[-3_000:]
    return done.stdout


def _rows(printed: str, columns: int) -> dict[str, list[float]]:
    """Return the rows of the tables by section and name: each must have a figure, and a number, in every column."""
    rows, section = {}, ""
    for line in printed.splitlines():
        if not line.startswith("  "):
            section = line.partition(",")[0]
            continue
        words = line.split()
        figures = [word for word in words[-columns:] if _NUMBER.match(word)]
        if len(figures) == columns:
            rows[f"{section}: {' '.join(words[:-columns])}"] = [float(figure.replace(",", "")) for figure in figures]
    assert "nan" not in printed
    assert "inf" not in printed.replace("information", "")
    assert all(math.isfinite(figure) for figures in rows.values() for figure in figures)
    return rows
