"""Prometheus' own promtool: what it says of rules, configurations and expressions."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
UNPACKED = ROOT / ".venv/promtool/usr/bin/promtool"


def promtool() -> str:
    """Return where it is. Without it the test is skipped, and fails where CI=true: there nobody would see that."""
    found = shutil.which("promtool") or (str(UNPACKED) if UNPACKED.is_file() else "")
    if not found:
        why = "there is no promtool: `make promtool` unpacks Debian's, or put one on the PATH"
        if os.environ.get("CI") == "true":  # noqa: TID251 - not a setting of ours
            pytest.fail(why)
        pytest.skip(why)
    return found


def run(*arguments: str | Path) -> tuple[int, str]:
    """Run it; return exit code and all it printed."""
    done = subprocess.run([promtool(), *map(str, arguments)], capture_output=True, text=True, check=False, timeout=120)
    return done.returncode, done.stdout + done.stderr
