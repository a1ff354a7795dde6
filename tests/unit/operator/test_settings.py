"""`cwpipe settings` prints what could be a configuration file."""

import io
import tomllib
from pathlib import Path

from services.operator.settings import show
from shared.settings.load import load


def printed(path: Path, environ: dict[str, str]) -> str:
    out = io.StringIO()
    show(load(path, environ), out)
    return out.getvalue()


def test_what_is_shown_is_the_file_that_would_give_the_same(tmp_path: Path) -> None:
    """Whoever has set everything by variables gets a file for nothing, secrets apart."""
    path = tmp_path / "cwpipe.toml"
    path.write_text("")
    environ = {"CWPIPE_LOG_GROUPS": "/app/*,b", "CWPIPE_REGIONS": "us-east-1", "CWPIPE_LIMITS_QUEUED_BYTES": "64MiB"}
    shown = printed(path, environ)
    again = tmp_path / "again.toml"
    again.write_text(shown)
    assert load(path, environ).settings == load(again, {}).settings


def test_each_value_has_its_origin_beside_it(tmp_path: Path) -> None:
    """Where to change it: file, variable, or nowhere yet."""
    path = tmp_path / "cwpipe.toml"
    path.write_text('[log]\nlevel = "error"\n')
    shown = printed(path, {"CWPIPE_LOG_FORMAT": "json"})
    assert "error" == tomllib.loads(shown)["log"]["level"]
    origins = {line.split()[0]: line.partition("# ")[2] for line in shown.splitlines() if "# " in line}
    assert (f"file {path}", "environment CWPIPE_LOG_FORMAT", "default") == (
        origins["level"],
        origins["format"],
        origins["fetch_threads"],
    )
