"""Look for secrets in every file that git knows or would add. Exits 1 when there are some.

.ci/secrets-made-up.txt lists the values that tests and examples use, each with a reason: whatever else looks like a
secret is a fault. No value is ever sent anywhere to be verified.
"""

import re
import subprocess
import sys
from pathlib import Path

BIN = Path(sys.executable).parent
MADE_UP = Path(__file__).parent / "secrets-made-up.txt"
LIST = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
#: Hashes of packages and payloads of a recorded Redis, which look like secrets; and pictures.
NOT_TEXT = re.compile(r"uv\.lock|tests/upgrade/.*\.json|.*\.png")


def main() -> int:
    """Run the scan over this work tree and return its exit code."""
    listed = subprocess.run(LIST, check=False, capture_output=True, text=True)
    if listed.returncode:
        sys.stdout.write("detect-secrets: SKIPPED: this is no work tree of git\n")
        return 0
    names = [
        name for name in listed.stdout.split("\0") if name and Path(name).is_file() and not NOT_TEXT.fullmatch(name)
    ]
    made_up = [line.split("  ")[0] for line in MADE_UP.read_text().splitlines() if line and not line.startswith("#")]
    excluded = [word for pattern in made_up for word in ("--exclude-secrets", f"^(?:{pattern})$")]
    return subprocess.run([BIN / "detect-secrets-hook", "--no-verify", *excluded, *names], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
