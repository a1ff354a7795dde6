"""What the Structs of the model say of each key, for those who convert, document or print it."""

from collections.abc import Iterator
from typing import cast

from msgspec import Struct, inspect

from shared.settings.model import Settings

MODEL = cast("inspect.StructType", inspect.type_info(Settings))

#: What is read where the variable of a setting is not set, because every other program reads it too.
ALIASES = {"CWPIPE_REDIS_URL": "REDIS_URL"}


class Kind(Struct, frozen=True):
    """A type of the model with what its Meta says, unwrapped."""

    type: inspect.Type
    sentence: str = ""
    quantity: str = ""
    """"duration", "bytes", "start_time", or nothing."""
    words: str = ""
    """What is allowed, where a pattern has been given words of its own by `Meta(extra={"words": ...})`."""


def kind_of(info: inspect.Type) -> Kind:
    """Return `info` without the wrapping that msgspec puts around a described type."""
    if not isinstance(info, inspect.Metadata):
        return Kind(info)
    schema, extra = info.extra_json_schema or {}, info.extra or {}
    return Kind(info.type, schema.get("description", ""), extra.get("quantity", ""), extra.get("words", ""))


def table_of(info: inspect.Type) -> inspect.StructType | None:
    """Return the Struct of a table, or of the tables in a list of them; None for any other type."""
    found = kind_of(info).type
    if isinstance(found, inspect.VarTupleType):
        found = kind_of(found.item_type).type
    return found if isinstance(found, inspect.StructType) else None


def is_list(info: inspect.Type) -> bool:
    """Tell whether a key holds several values."""
    return isinstance(kind_of(info).type, inspect.VarTupleType)


def tables(info: inspect.StructType = MODEL, name: str = "") -> Iterator[tuple[str, inspect.StructType]]:
    """Yield every table with its dotted name, the top level first and by "": a list of tables ends in `[]`."""
    yield name, info
    for field in info.fields:
        if inner := table_of(field.type):
            prefix = f"{name}." if name else ""
            yield from tables(inner, f"{prefix}{field.encode_name}{'[]' if is_list(field.type) else ''}")


def variable_of(key: str) -> str:
    """Return the environment variable of a dotted key."""
    return f"CWPIPE_{key.replace('.', '_').upper()}"


def variables() -> dict[str, str]:
    """Return variable -> dotted key, for every scalar of the top level and of tables."""
    return {
        variable_of(key): key
        for name, table in tables()
        if "[]" not in name
        for field in table.fields
        if not is_list(field.type) and not table_of(field.type)
        for key in [f"{name}.{field.encode_name}".lstrip(".")]
    }


def entries(settings: Struct, info: inspect.StructType = MODEL, prefix: str = "") -> Iterator[tuple[str, object, str]]:
    """Yield dotted key, value and quantity of all that is in force, a table's own keys before its tables."""
    inner = []
    for field in info.fields:
        key, value = f"{prefix}{field.encode_name}", getattr(settings, field.name)
        table = table_of(field.type)
        if table is None or value == ():
            yield key, value, kind_of(field.type).quantity
        elif isinstance(value, Struct):
            inner.append((value, table, f"{key}."))
        else:
            inner.extend((item, table, f"{key}[{number}].") for number, item in enumerate(value))
    for value, table, start in inner:
        yield from entries(value, table, start)
