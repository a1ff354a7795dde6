"""Whatever an ossec.conf or a wodle's database holds: settings that load, or one clear line; never a traceback."""

import re
import sqlite3
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.operator.import_ossec import state as import_ossec_state
from services.operator.import_ossec import toml as import_ossec_toml
from services.operator.import_ossec.sources import Imported
from services.operator.import_ossec.state import Stopped
from shared.errors import SettingsError
from shared.settings.load import load

TAGS = (
    *(
        "access_key",
        "aws_account_alias",
        "aws_account_id",
        "aws_log_groups",
        "aws_profile",
        "discard_regex",
        "external_id",
    ),
    *("iam_role_arn", "iam_role_duration", "only_logs_after", "regions", "remove_log_streams", "secret_key", "other"),
    *("service_endpoint", "sts_endpoint"),
)
VALUES = st.one_of(
    st.text(max_size=40),
    st.text("(?ix)[]{}*+|^$\\<a0,", max_size=30),
    st.sampled_from(
        [
            "/a,/b",
            "us-east-1",
            "eu-west-1,us-east-1",
            "2026-NOV-31",
            "2026-NOV-30",
            "3600",
            "yes",
            "\\d+",
            "http://[",
            "x/y ",
        ]
    ),
)
SERVICES = st.lists(st.tuples(st.sampled_from(TAGS), VALUES), max_size=8)
FEW = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)


def loads(place: Path, content: bytes, state: dict[tuple[str, str], Stopped] | None = None) -> None:
    """Import, and load what comes of it, unless there is a clear line."""
    file = place / "ossec.conf"
    file.write_bytes(content)
    made = imported(file, state or {})
    if isinstance(made, SettingsError):
        assert 1 == len(made.faults)
        assert str(made).isprintable(), str(made)
        return
    assert all(line.isprintable() for line in made.summary())
    config = place / "cwpipe.toml"
    config.write_text(import_ossec_toml.text(made.parts), encoding="utf-8")
    loaded = load(config, {})
    assert len(loaded.settings.sources) == sum(not one.is_off for one in made.drafts)


def imported(file: Path, state: dict[tuple[str, str], Stopped]) -> Imported | SettingsError:
    try:
        return Imported(file, state)
    except SettingsError as error:
        return error


@FEW
@given(content=st.one_of(st.binary(max_size=300), st.text("<>/!-=' \"\\a\n", max_size=200).map(str.encode)))
def test_any_bytes_end_in_a_line(content: bytes, tmp_path: Path) -> None:
    """Nothing of it is a wodle."""
    loads(tmp_path, content)


@pytest.mark.filterwarnings("ignore:Possible:FutureWarning", "ignore:Flags:DeprecationWarning")
@FEW
@given(
    services=st.lists(SERVICES, min_size=1, max_size=3),
    wodle=st.lists(st.tuples(st.sampled_from(["interval", "disabled", "day", "skip_on_error"]), VALUES), max_size=2),
    ends=st.integers(min_value=0, max_value=253_402_300_799_998),
)
def test_any_values_become_settings_that_load(
    services: list[list[tuple[str, str]]], wodle: list[tuple[str, str]], ends: int, tmp_path: Path
) -> None:
    """Option by option, whatever is in them."""

    def elements(options: list[tuple[str, str]]) -> str:
        return "".join(f"<{tag}>{re.sub('<', '', value)}</{tag}>" for tag, value in options)

    inner = "".join(f'<service type="cloudwatchlogs">{elements(one)}</service>' for one in services)
    stopped = Stopped(streams=2, ended=1, least_ms=ends, newest_ms=ends)
    text = f'<ossec_config><wodle name="aws-s3">{elements(wodle)}{inner}</wodle></ossec_config>'
    loads(tmp_path, text.encode(errors="replace"), {("us-east-1", "/a"): stopped, ("eu-west-1", "/b"): stopped})


VALUE = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.floats(), st.text(max_size=8), st.binary(max_size=8))


@FEW
@given(rows=st.lists(st.tuples(VALUE, VALUE, VALUE), max_size=6), ended_ms=st.integers(0, 2**60))
def test_any_rows_are_read(rows: list[tuple[object, object, object]], ended_ms: int, tmp_path: Path) -> None:
    """SQLite holds a column's type to nobody."""
    file = tmp_path / "aws_services.db"
    file.unlink(missing_ok=True)
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE cloudwatch_logs (aws_region, aws_log_group, aws_log_stream, end_time)")
        rows = [tuple(_stored(value) for value in row) for row in rows]  # type: ignore[misc]
        connection.executemany("INSERT INTO cloudwatch_logs VALUES (?, ?, 's', ?)", rows)
    connection.close()
    for stopped in import_ossec_state.read(tmp_path, ended_ms).values():
        assert 0 <= stopped.least_ms <= stopped.newest_ms
        assert stopped.ended < stopped.streams


def _stored(value: object) -> object:
    return value.encode(errors="replace").decode() if isinstance(value, str) else value
