"""The documents made from the model."""

import re
from pathlib import Path

from shared.settings.document import EXAMPLE, MARKDOWN, example_toml, settings_markdown
from shared.settings.fields import tables, variables
from shared.settings.load import load


def uncommented(text: str) -> str:
    """Return the example with every `#key = value` and `#[table]` in force."""
    return re.sub(r"^#(?=[a-z_]+ = |\[)", "", text, flags=re.MULTILINE)


def test_the_files_in_the_project_are_not_stale() -> None:
    """`python -m shared.settings.document` writes them anew."""
    assert example_toml() == EXAMPLE.read_text(encoding="utf-8")
    assert settings_markdown() == MARKDOWN.read_text(encoding="utf-8")


def test_the_example_loads(tmp_path: Path) -> None:
    """With one minimal source, and all else at its default."""
    path = tmp_path / "cwpipe.toml"
    path.write_text(example_toml())
    loaded = load(path, {})

    assert ["production"] == [source.name for source in loaded.settings.sources]
    assert {"sources", "sources[0].name", "sources[0].regions", "sources[0].log_groups"} == {
        key for key, origin in loaded.origins.items() if origin != "default"
    }


def test_the_example_loads_with_everything_uncommented(tmp_path: Path) -> None:
    """Each line in it is one that may be put to use, and no key is missing."""
    path = tmp_path / "cwpipe.toml"
    path.write_text(uncommented(example_toml()))
    loaded = load(path, {})

    assert 2 == len(loaded.settings.sources)
    assert [] == [key for key, origin in loaded.origins.items() if origin == "default" and "sources[0]" not in key]


def test_prose_stays_prose() -> None:
    """What is left commented out begins with `# `."""
    lines = uncommented(example_toml()).splitlines()

    assert [] == [line for line in lines if line.startswith("#") and not line.startswith("# ")]


def test_the_markdown_names_every_key_and_variable() -> None:
    """A row each."""
    text = settings_markdown()
    keys = [field.encode_name for name, table in tables() if name for field in table.fields]

    assert [] == [key for key in keys if f"| `{key}` |" not in text]
    assert [] == [variable for variable in variables() if f"`{variable}`" not in text]
