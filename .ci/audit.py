"""Ask whether a dependency in uv.lock is known to be vulnerable. Exits 1 when one is; 0 when none is, or nobody can tell.

Not every index knows vulnerabilities, and one that does not answers as if there were none. So a version that is known
to be vulnerable is asked for first: only a service that says so is believed. .ci/vulnerabilities-accepted.txt names
those that do not concern us.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

BIN = Path(sys.executable).parent
ACCEPTED = Path(__file__).parent / "vulnerabilities-accepted.txt"
KNOWN_TO_BE_VULNERABLE = "jinja2==2.4.1\n"
SECONDS = 120


def main() -> int:
    """Run the audit, say in a line what came of it, and return the exit code."""
    service_knows = any(found.get("vulns") for found in audited(KNOWN_TO_BE_VULNERABLE))
    dependencies = audited(locked()) if service_knows else []
    if not dependencies:
        sys.stdout.write("pip-audit: SKIPPED: no vulnerability service answers\n")
        return 0
    unknown = [one["name"] for one in dependencies if "skip_reason" in one]
    accepted = {line.split()[0] for line in ACCEPTED.read_text().splitlines() if line and not line.startswith("#")}
    faults = [
        f"{one['name']} {one['version']}: {found['id']}, mended in {', '.join(found['fix_versions']) or 'no release'}"
        for one in dependencies
        for found in one.get("vulns", [])
        if not accepted.intersection((found["id"], *found.get("aliases", [])))
    ]
    sys.stdout.write("".join(f"pip-audit: {fault}\n" for fault in faults))
    said = f"not known to the service: {', '.join(unknown)}" if unknown else "all known to the service"
    sys.stdout.write(f"pip-audit: {len(dependencies)} dependencies, {len(faults)} vulnerabilities; {said}\n")
    return 1 if faults else 0


def locked() -> str:
    """Return all that uv.lock pins, as requirements."""
    export = [BIN / "uv", "export", "--quiet", "--frozen", "--all-extras", "--all-groups", "--no-emit-project"]
    return subprocess.run(export, check=True, capture_output=True, text=True).stdout


def audited(requirements: str) -> list[dict[str, Any]]:
    """Return what pip-audit says of each dependency; nothing where it cannot reach its service."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(requirements)
        file.flush()
        command = [BIN / "pip-audit", "--requirement", file.name, "--disable-pip", "--no-deps", "--format", "json"]
        try:
            done = subprocess.run(
                [*command, "--progress-spinner", "off"], check=False, capture_output=True, text=True, timeout=SECONDS
            )
            told: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
        except (subprocess.TimeoutExpired, ValueError):
            return []
    return told


if __name__ == "__main__":
    sys.exit(main())
