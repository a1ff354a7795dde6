"""How a value is written: as TOML has it, in its own unit."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import date, time

from shared.settings.quantities import format_bytes, format_duration
from shared.settings.redact import MASK, is_secret, redacted

#: Legal in JSON text, but neither in TOML's nor wanted on a terminal. The last range is what undecodable bytes become.
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_LONGEST = 160


def written(value: object, quantity: str = "") -> str:
    """Return `value` as it is written in the file. Secrets are not masked: see `shown`."""
    match value:
        case bool():
            return str(value).lower()
        case int() if quantity == "duration":
            return f'"{format_duration(value)}"'
        case int() if quantity == "bytes":
            return f'"{format_bytes(value)}"'
        case str():
            return _quoted(value)
        case Mapping():
            return "a table"
        case Sequence():
            return f"[{', '.join(written(item, quantity) for item in value)}]"
        case date() | time():
            return value.isoformat()
    return str(value)


def shown(key: str, value: object, quantity: str = "") -> str:
    """Return `value` as it is written in the file, secrets masked."""
    if isinstance(value, str):
        return written(redacted(key, value))
    if isinstance(value, Sequence):
        return f"[{', '.join(shown(key, item, quantity) for item in value)}]"
    return written(MASK) if is_secret(key) else written(value, quantity)


def shortened(text: str) -> str:
    """Return `text`, its middle left out where it is too long for a line of a report."""
    if len(text) <= _LONGEST:
        return text
    return f"{text[: _LONGEST // 2]} ... {text[-_LONGEST // 4 :]}"


def key_part(name: str) -> str:
    """Return one part of a dotted key, quoted where TOML would have it quoted."""
    return name if _BARE_KEY.fullmatch(name) else written(name)


def _quoted(text: str) -> str:
    """Return a TOML string; a literal one where that spares an expression its doubled backslashes."""
    if "\\" in text and "'" not in text and text.isprintable():
        return f"'{text}'"
    return _UNPRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(text, ensure_ascii=False))
