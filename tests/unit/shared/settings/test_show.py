"""`cwpipe settings`."""

import tomllib
from io import StringIO
from pathlib import Path

from services.operator.settings import show
from shared.settings.document import example_toml
from shared.settings.load import Loaded, load

FILE = """
redis_url = "redis://joe:hush@redis:6379/0"
[[sources]]
name = "production"
regions = ["us-east-1"]
log_groups = ["/aws/lambda/*", "a-group-with-a-name-that-is-longer-than-the-column", "another"]
role_arn = "arn:aws:iam::123456789012:role/cwpipe"
external_id = "hush"
"""


def printed(loaded: Loaded) -> str:
    stream = StringIO()
    show(loaded, stream)
    return stream.getvalue()


def test_each_line_says_key_value_and_origin(tmp_path: Path) -> None:
    """All there is to know when two places disagree."""
    path = tmp_path / "cwpipe.toml"
    path.write_text(FILE)
    lines = [" ".join(line.split()) for line in printed(load(path, {"CWPIPE_LOG_LEVEL": "debug"})).splitlines()]

    assert f'name = "production" # file {path}' in lines
    assert 'poll_interval = "30s" # default' in lines
    assert 'level = "debug" # environment CWPIPE_LOG_LEVEL' in lines


def test_secrets_are_masked(tmp_path: Path) -> None:
    """The output is made to be sent to others."""
    path = tmp_path / "cwpipe.toml"
    path.write_text(FILE)
    text = printed(load(path, {}))

    assert "hush" not in text
    assert "redis://joe:***@redis:6379/0" in text


def test_columns_are_aligned(tmp_path: Path) -> None:
    """One value that is too long does not push all comments away."""
    path = tmp_path / "cwpipe.toml"
    path.write_text(FILE)
    lines = [line for line in printed(load(path, {})).splitlines() if " = " in line]

    assert 1 == len({line.index(" = ") for line in lines})
    assert 1 == len({line.index("   # ") for line in lines if "a-group-with" not in line})


def test_what_is_printed_is_a_file_again(tmp_path: Path) -> None:
    """It can be put in place on another machine, but for its secrets."""
    first, second = tmp_path / "first.toml", tmp_path / "second.toml"
    first.write_text(example_toml())
    loaded = load(first, {})
    second.write_text(printed(loaded))

    assert loaded.settings == load(second, {}).settings


def test_no_sources_are_printed_as_an_empty_list() -> None:
    """Before any table, where TOML keeps it at the top level."""
    assert [] == tomllib.loads(printed(load(None, {"CWPIPE_LOG_FORMAT": "json"})))["sources"]
