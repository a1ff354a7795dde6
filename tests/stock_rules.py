"""Whether a datagram meets what stock rules of Wazuh ask: tests/data/stock_rules.toml."""

import json
import re
import tomllib
from functools import lru_cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

from tests.reference_analysisd import read

_DATA = tomllib.loads((Path(__file__).parent / "data" / "stock_rules.toml").read_text())
RULES: dict[str, dict[str, Any]] = _DATA["rules"]
DECODERS: dict[str, dict[str, Any]] = _DATA["decoders"]
_read = lru_cache(maxsize=64)(read)  # every rule looks at the same datagram


def unmet(rule: int, datagram: bytes) -> list[str]:
    """Return what the rule and its parents ask for and `datagram` does not have, a line each."""
    wanted = RULES[str(rule)]
    missing = unmet(wanted["parent"], datagram) if "parent" in wanted else []
    return missing + unmet_by_itself(rule, wanted, datagram)


def unmet_by_itself(rule: int, wanted: dict[str, Any], datagram: bytes) -> list[str]:
    """Return what the rule asks for in `wanted` and `datagram` does not have, its parents apart."""
    missing = []
    if "decoder" in wanted and not is_decoded_by(wanted["decoder"], datagram):
        missing.append(f"{rule}: decoder {wanted['decoder']}")
    fields = fields_of(datagram)
    for name, regex in wanted.get("fields", {}).items():
        if not re.search(regex, fields.get(name.lower(), ""), re.IGNORECASE):
            missing.append(f"{rule}: {name} is {fields.get(name.lower())!r}, not like {regex}")
    if "text" in wanted and not any(re.search(wanted["text"], text, re.IGNORECASE) for text in _texts(datagram)):
        missing.append(f"{rule}: no {wanted['text']} in the text")
    return missing


@lru_cache(maxsize=64)
def fields_of(datagram: bytes) -> dict[str, str]:
    """Return the first 256 fields that the decoder finds, by lower-case name, the first of a name."""
    if datagram.startswith(b"f:"):
        return _windows(datagram)
    found: dict[str, str] = {}
    for name, value in _read(datagram).fields[:256]:
        found.setdefault(name.lower(), value)
    return found


def is_decoded_by(decoder: str, datagram: bytes) -> bool:
    """Say whether the decoder of this name takes the datagram."""
    wanted = DECODERS[decoder]
    if "queue" in wanted:
        return datagram.startswith(wanted["queue"].encode() + b":")
    reading = _read(datagram)
    if "object" in wanted:
        return reading.is_json and bool(reading.fields)
    return not reading.is_json and re.search(wanted["line"], reading.full_log, re.DOTALL) is not None


def _texts(datagram: bytes) -> tuple[str, str]:
    reading = _read(datagram)
    return reading.full_log, reading.log


def _windows(datagram: bytes) -> dict[str, str]:
    """Return the fields of the XML that analysisd's decoder for Windows events finds, as far as rules here need them."""
    assert b'=\\"' not in datagram  # its XML reader does not know an escaped quote
    event = json.loads(datagram[datagram.index(b":{") + 1 :])["Event"]
    assert event.startswith("<Event")
    tree = ET.fromstring(re.sub(r" xmlns='[^']*'", "", event, count=1))  # noqa: S314  # our own
    fields = {
        "win.system.providername": tree.find("System/Provider").attrib["Name"],  # type: ignore[union-attr]
        "win.system.eventid": tree.findtext("System/EventID", ""),
        "win.system.channel": tree.findtext("System/Channel", ""),
    }
    for data in tree.iterfind("EventData/Data"):
        fields[f"win.eventdata.{data.attrib['Name'].lower()}"] = data.text or ""
    return fields
