"""The lines that say what is wrong."""

from pathlib import Path

from shared.settings.faults import Faults
from shared.settings.fields import MODEL, tables

FILE = Path("/etc/cwpipe/cwpipe.toml")
TABLES = dict(tables())


def test_a_fault_names_file_key_value_and_what_is_allowed() -> None:
    """All that is needed to mend it."""
    faults = Faults(FILE)
    faults.origins["log.level"] = f"file {FILE}"
    faults.value("log.level", "loud", 'must be "info"')

    assert ['/etc/cwpipe/cwpipe.toml: log.level = "loud": must be "info"'] == faults.lines


def test_a_fault_of_the_environment_names_the_variable() -> None:
    """The key would send the reader to the wrong place."""
    faults = Faults(FILE)
    faults.origins["sources[0].regions"] = "environment AWS_REGION"
    faults.value("sources[0].regions[1]", "x", "must be a region")

    assert ['AWS_REGION = "x": must be a region'] == faults.lines


def test_a_source_is_named_beside_its_number() -> None:
    """Nobody counts tables."""
    faults = Faults(FILE)
    faults.name_source("sources[1]", {"name": "prod"})
    faults.name_source("sources[2]", {"name": 3})
    faults.missing("sources[1].regions", "it must be a list")
    faults.missing("sources[2].regions", "it must be a list")

    assert f'{FILE}: sources[1].regions (source "prod") is missing: it must be a list' == faults.lines[0]
    assert f"{FILE}: sources[2].regions is missing: it must be a list" == faults.lines[1]


def test_secrets_do_not_show() -> None:
    """Faults end up in logs and tickets."""
    faults = Faults(FILE)
    faults.value("redis_url", "http://joe:secret@redis", "must be something else")
    faults.value("sources[0].external_id", "secret", "has no meaning")

    assert not [line for line in faults.lines if "secret" in line]


def test_an_unknown_key_comes_with_the_known_ones_and_the_nearest() -> None:
    """Most are typing mistakes."""
    faults = Faults(FILE)
    faults.unknown_key("log.", "levle", TABLES["log"])

    assert [f"{FILE}: log.levle is not a key; did you mean level?; known here: level, format"] == faults.lines


def test_a_misplaced_key_is_told_its_place() -> None:
    """TOML gives a key to the table above it, which is easily forgotten."""
    faults = Faults(FILE)
    faults.unknown_key("wazuh.", "redis_url", TABLES["wazuh"])
    faults.unknown_key("", "log_groups", MODEL)
    faults.unknown_key("", "format", MODEL)

    assert "; it belongs above the first [table] of the file;" in faults.lines[0]
    assert "; it belongs in [[sources]];" in faults.lines[1]
    assert "; it belongs in [[sources]] or [log];" in faults.lines[2]


def test_an_unknown_variable_comes_with_the_nearest_known_one() -> None:
    """And a letter that only looks like one is made visible."""
    faults = Faults(None)
    faults.unknown_variable("CWPIPE_LOG_LEVL", ["CWPIPE_LOG_LEVEL"])
    faults.unknown_variable("CWPIPE_\u0430", [])

    assert "CWPIPE_LOG_LEVL in the environment is not a setting; did you mean CWPIPE_LOG_LEVEL?" in faults.lines[0]
    assert faults.lines[1].startswith(r"CWPIPE_\u0430 in the environment")
