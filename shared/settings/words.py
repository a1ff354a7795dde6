"""What a setting may be, in plain words, from its type."""

from typing import get_args

from msgspec import inspect

from shared.settings.fields import Kind, kind_of
from shared.settings.model import Name, Region
from shared.settings.written import written

_PATTERNS = {
    get_args(Name)[1].pattern: 'a name of 1 to 64 letters, digits, "_", "." and "-", a letter or digit first',
    get_args(Region)[1].pattern: 'an AWS region such as "us-east-1"',
}
_QUANTITIES = {
    "duration": 'a duration such as "30s", "5m", "2h" or "7d"',
    "bytes": 'a size such as "64KiB", "256MiB" or "1GiB"',
    "start_time": 'a date ("2026-11-01"), an RFC 3339 time with its zone ("2026-11-01T08:00:00Z") or an age ("2h")',
}
_BRIEF = {"duration": "a duration", "bytes": "a size", "start_time": "a date, a time or an age"}


def allowed(kind: Kind, *, brief: bool = False) -> str:
    """Return what a value of `kind` may be, to be read after "must be"; `brief` where quantities are explained before."""
    quantities = _BRIEF if brief else _QUANTITIES
    if kind.words:
        return kind.words
    match kind.type:
        case inspect.LiteralType(values=values):
            return either([written(value) for value in values])
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType():
            return quantities.get(kind.quantity, "a whole number") + _range(kind)
        case inspect.FloatType() | inspect.StrType():
            return quantities.get(kind.quantity) or _text(kind.type)
        case inspect.VarTupleType():
            return _list(kind.type)
        case inspect.StructType():
            return "a table, headed by its name in [brackets]"
    return "a value of its type"


def either(choices: list[str]) -> str:
    """Return "a", "a or b", "a, b or c"."""
    return " or ".join(filter(None, [", ".join(choices[:-1]), choices[-1]]))


def bounds(info: inspect.IntType) -> tuple[int | None, int | None]:
    """Return the least and the greatest number allowed, both included."""
    least = info.ge if info.gt is None else info.gt + 1
    greatest = info.le if info.lt is None else info.lt - 1
    return least, greatest


def _range(kind: Kind) -> str:
    assert isinstance(kind.type, inspect.IntType)
    least, greatest = (None if bound is None else _number(bound, kind.quantity) for bound in bounds(kind.type))
    if least and greatest:
        return f", from {least} to {greatest}"
    if greatest:
        return f", at most {greatest}"
    return f", at least {least}" if least else ""


def _number(number: int, quantity: str) -> str:
    return written(number, quantity).strip('"')


def _text(info: inspect.StrType | inspect.FloatType) -> str:
    if isinstance(info, inspect.FloatType):
        return "a number" if info.ge is None or info.le is None else f"a number, from {info.ge:g} to {info.le:g}"
    if info.pattern is not None:
        return _PATTERNS.get(info.pattern, f"text that matches {info.pattern}")
    if info.max_length is not None:
        return f"text of {info.min_length or 0} to {info.max_length} characters"
    return "text that is not empty" if info.min_length else "text"


def _list(info: inspect.VarTupleType) -> str:
    item = kind_of(info.item_type)
    if isinstance(item.type, inspect.StructType):
        return "a list of tables, each headed by its name in [[double brackets]]"
    return f"a list{' that is not empty' if info.min_length else ''}, each item {allowed(item)}"
