"""The decoders and rules of deploy/wazuh, read as Wazuh reads them."""

import re
from pathlib import Path
from xml.etree import ElementTree as ET

DIRECTORY = Path(__file__).parents[1] / "deploy" / "wazuh"
RULE_FILES = sorted((DIRECTORY / "rules").glob("*.xml"))
DECODER_FILES = sorted((DIRECTORY / "decoders").glob("*.xml"))


def elements(text: str, tag: str) -> list[ET.Element]:
    """Return the elements of a text with several roots, as Wazuh's files have, in their order."""
    return list(ET.fromstring(f"<files>{text}</files>").iter(tag))  # noqa: S314  # our own


def rules() -> list[ET.Element]:
    """Return all rules in the order in which Wazuh loads them."""
    return [rule for file in RULE_FILES for rule in elements(file.read_text(), "rule")]


def decoders() -> list[ET.Element]:
    """Return all decoders in their order."""
    return [decoder for file in DECODER_FILES for decoder in elements(file.read_text(), "decoder")]


def sids(rule: ET.Element, tag: str) -> list[int]:
    """Return the ids of rules that `if_sid` or `if_matched_sid` of a rule names."""
    return [int(sid) for sid in re.findall(r"\d+", rule.findtext(tag, ""))]
