"""What the Structs of the model say."""

from shared.settings.environment import EXTRA
from shared.settings.fields import entries, kind_of, tables, variables
from shared.settings.model import Settings, Source

SOURCE = Source(name="a", regions=("eu-west-1",), log_groups=("g",))


def test_every_key_has_a_sentence() -> None:
    """The documents are made of them."""
    keys = [(name, field) for name, table in tables() for field in table.fields]

    assert [] == [
        f"{name}.{field.name}"
        for name, field in keys
        if not kind_of(field.type).sentence
        and f"{name}.{field.name}".strip(".") not in {key.strip("[]") for key, _ in tables()}
    ]


def test_tables_come_in_the_order_of_the_model() -> None:
    """The top level first, for TOML has no other place for it."""
    assert ["", "wazuh", "sources[]", "limits", "log", "run", "dashboard"] == [name for name, _ in tables()]


def test_scalars_outside_lists_have_a_variable_each() -> None:
    """And no two of them the same, nor one that means something else."""
    found = variables()

    assert "redis_url" == found["CWPIPE_REDIS_URL"]
    assert "limits.queued_bytes" == found["CWPIPE_LIMITS_QUEUED_BYTES"]
    assert not any("SOURCES" in name for name in found)
    assert len(found) == len(set(found.values()))
    assert not set(found) & set(EXTRA)


def test_entries_lists_everything_in_force() -> None:
    """A table's own keys stand together, and each source has its number."""
    keys = [key for key, _, _ in entries(Settings(sources=(SOURCE, SOURCE)))]

    assert "redis_url" == keys[0]
    assert {"sources[0].name", "sources[1].name", "wazuh.confirm", "log.level"} <= set(keys)
    assert "sources" not in keys


def test_no_sources_are_an_entry_too() -> None:
    """Their absence is worth a line."""
    assert ("sources", (), "") in list(entries(Settings()))
