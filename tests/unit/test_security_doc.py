"""docs/security.md names a test for each defence: a name that is wrong proves nothing."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "security.md").read_text()


def test_every_test_that_is_named_is_there() -> None:
    """`file::test`, or `::test` of the file named before it."""
    file, named, missing = "", 0, []
    for name in re.findall(r"`([a-z_/]*(?:\.py)?::\w+|[a-z_/]+\.py)`", TEXT):
        path, _, test = name.partition("::")
        file = path or file
        found = next((place for place in (ROOT / "tests" / file, ROOT / file) if place.is_file()), None)
        named += 1
        if found is None or (test and f"def {test}(" not in found.read_text()):
            missing.append(f"{file}::{test}")

    assert [] == missing
    assert named > 40
