"""Values as TOML or the environment gives them -> plain values that fit the model, every fault collected.

All is derived from the types of the model. What no rule here knows is left to msgspec, which builds the Structs afterwards.
"""

import math
import re
from collections.abc import Mapping
from datetime import date

from msgspec import NODEFAULT, UNSET, Struct, inspect

from shared.settings.faults import Faults
from shared.settings.fields import MODEL, Kind, kind_of
from shared.settings.quantities import parse_bytes, parse_duration, start_ms
from shared.settings.words import allowed, bounds

_WHOLE_NUMBER = re.compile(r"[+-]?[0-9]{1,18}")
_NUMBER = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{1,18})?")


class Given(Struct, frozen=True):
    """A value from the environment instead of the file: a text, or a list."""

    value: object
    variable: str


def convert(raw: Mapping[str, object], faults: Faults, model: inspect.StructType = MODEL) -> dict[str, object]:
    """Return the value of every key of the model, defaults filled in; one with a fault is left out, in a list UNSET."""
    return _Conversion(faults).table(model, raw, "")


class _Conversion:
    def __init__(self, faults: Faults) -> None:
        self._faults = faults

    def table(self, info: inspect.StructType, raw: Mapping[str, object], prefix: str) -> dict[str, object]:
        values = {field.encode_name: self._field(field, raw, f"{prefix}{field.encode_name}") for field in info.fields}
        for name in raw:
            if name not in values:
                self._faults.unknown_key(prefix, name, info)
        return {name: value for name, value in values.items() if value is not UNSET}

    def _field(self, field: inspect.Field, raw: Mapping[str, object], key: str) -> object:
        kind = kind_of(field.type)
        if isinstance(kind.type, inspect.StructType):
            return self._value(kind, raw.get(field.encode_name, {}), key)
        if field.encode_name in raw:
            self._faults.origins[key] = f"file {self._faults.file}"
            return self._value(kind, raw[field.encode_name], key)
        if field.required:
            self._faults.missing(key, f"it must be {allowed(kind)}")
        self._faults.origins[key] = "default"
        return UNSET if field.default is NODEFAULT else field.default

    def _value(self, kind: Kind, raw: object, key: str) -> object:
        """Return the value that `raw` stands for, or UNSET after a fault."""
        if isinstance(raw, Given):
            self._faults.origins[key] = f"environment {raw.variable}"
            raw = _from_text(kind, raw.value)
        match kind.type, raw:
            case inspect.StructType() as table, Mapping():
                self._faults.name_source(key, raw)
                return self.table(table, raw, f"{key}.")
            case inspect.VarTupleType(item_type=item, min_length=least), list() if len(raw) >= (least or 0):
                return [self._value(kind_of(item), value, f"{key}[{number}]") for number, value in enumerate(raw)]
        try:
            return _fitting(kind, raw)
        except ValueError:
            self._faults.value(key, raw, f"must be {allowed(kind)}")
            return UNSET


def _from_text(kind: Kind, text: object) -> object:
    """Return what TOML would have given for `text`, where the kind is one that TOML does not write as text."""
    if isinstance(kind.type, inspect.BoolType):
        return {"true": True, "false": False}.get(str(text), text)
    if isinstance(kind.type, inspect.IntType) and _WHOLE_NUMBER.fullmatch(str(text)):
        return int(str(text))
    if isinstance(kind.type, inspect.FloatType) and _NUMBER.fullmatch(str(text)):
        return float(str(text))
    return text


def _fitting(kind: Kind, raw: object) -> object:
    """Return `raw` as a value of `kind`; ValueError if it is none."""
    if kind.quantity:
        raw = _measured(kind.quantity, raw)
    match kind.type:
        case inspect.BoolType():
            fits = isinstance(raw, bool)
        case inspect.IntType() as info:
            fits = isinstance(raw, int) and not isinstance(raw, bool) and _in_range(info, raw)
        case inspect.FloatType() as info:
            fits = isinstance(raw, int | float) and not isinstance(raw, bool) and _in_bounds(info, raw)
        case inspect.StrType() as info:
            fits = isinstance(raw, str) and _fits_text(info, raw)
        case inspect.LiteralType(values=values):
            fits = any(raw == value and type(raw) is type(value) for value in values)
        case inspect.VarTupleType() | inspect.StructType():
            fits = False  # those that fit were taken apart before
        case _:
            fits = True
    if not fits:
        raise ValueError(raw)
    return raw


def _measured(quantity: str, raw: object) -> object:
    """Return the number that `raw` stands for, the text of a start time; ValueError if it stands for nothing."""
    if quantity == "start_time":
        text = raw.isoformat() if isinstance(raw, date) else raw  # a datetime is a date as well
        if isinstance(text, str) and text:
            start_ms(text, now_ms=0)
        return text
    if quantity == "bytes" and isinstance(raw, int) and not isinstance(raw, bool):
        return parse_bytes(raw)
    if not isinstance(raw, str):
        raise ValueError(raw)
    return parse_bytes(raw) if quantity == "bytes" else parse_duration(raw)


def _in_range(info: inspect.IntType, number: int) -> bool:
    least, greatest = bounds(info)
    return (least is None or least <= number) and (greatest is None or number <= greatest)


def _in_bounds(info: inspect.FloatType, number: float) -> bool:
    """Tell whether a number is one, and within what is allowed."""
    least = -math.inf if info.ge is None else info.ge
    greatest = math.inf if info.le is None else info.le
    return math.isfinite(number) and least <= number <= greatest


def _fits_text(info: inspect.StrType, text: str) -> bool:
    """Tell whether `text` has the length and pattern; an anchored pattern covers a final newline too."""
    if not (info.min_length or 0) <= len(text) <= (len(text) if info.max_length is None else info.max_length):
        return False
    if info.pattern is None:
        return True
    whole = info.pattern.startswith("^") and info.pattern.endswith("$")
    return bool(re.fullmatch(info.pattern, text) if whole else re.search(info.pattern, text))
