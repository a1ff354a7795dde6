"""Which rule fires last for a datagram, among the stock rules that tests know and rules given in XML.

As in analysisd's rules_list.c and rules.c (4.14): rules side by side are asked by level, from high to low, those of level 0
before all others, and in the order of loading among equals. The first that matches has its children asked, and the first
of them that matches wins in its place. One with noalert that no child takes matches nothing. Rules that count
(if_matched_sid) never fire on one event.
"""

import re
import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree as ET

from tests import wazuh_ruleset
from tests.reference_analysisd import read
from tests.stock_rules import DECODERS, RULES, fields_of, is_decoded_by, unmet_by_itself

STOCK: dict[str, Any] = tomllib.loads((Path(__file__).parent / "data" / "stock_tree.toml").read_text())
LEVELS = {int(sid): level for sid, level in STOCK["levels"].items()}
#: Of regular expressions, what is the same in Wazuh's own languages and in Python's, taken literally from its start.
_LITERAL = re.compile(r"\^?[\w /,:.-]+")


class Event(NamedTuple):
    """What rules look at."""

    datagram: bytes
    decoders: frozenset[str]
    fields: dict[str, str]
    """By lower-case name."""
    location: str
    log: str


class Rule(NamedTuple):
    """One place in the tree."""

    sid: int
    level: int
    parents: tuple[int, ...]
    noalert: bool
    matches: Callable[[Event], bool]


class Tree:
    """Stock rules, and then `own` rules, loaded as Wazuh would."""

    def __init__(self, own: Iterable[ET.Element] = ()) -> None:
        loaded = [*_stock_rules(), *(rule for element in own for rule in _own_rule(element))]
        self._below: dict[int, list[Rule]] = defaultdict(list)
        for rule in sorted(loaded, key=lambda rule: -(rule.level or 99)):  # keeps the order of equals
            for parent in rule.parents or (0,):
                self._below[parent].append(rule)

    def last(self, event: Event) -> int | None:
        """Return the id of the rule that fires last, level 0 included."""
        return self._first(0, event)

    def _first(self, parent: int, event: Event) -> int | None:
        for rule in self._below[parent]:
            if rule.matches(event):
                sid = self._first(rule.sid, event) or (None if rule.noalert else rule.sid)
                if sid:
                    return sid
        return None


def event_of(datagram: bytes) -> Event:
    """Return what rules see of a datagram, decoded by the stock decoders that tests know, else by ours."""
    reading = read(datagram)
    if datagram.startswith(b"f:"):
        return Event(datagram, frozenset({"windows_eventchannel"}), fields_of(datagram), reading.location, reading.log)
    names = {name for name in DECODERS if is_decoded_by(name, datagram)}
    names |= {name for name, decoder in STOCK["decoders"].items() if re.search(decoder["line"], reading.log)}
    fields = fields_of(datagram)
    if not names:
        names, fields = _decoded_by_ours(reading.log)
    return Event(datagram, frozenset(names), fields, reading.location, reading.log)


def _decoded_by_ours(log: str) -> tuple[set[str], dict[str, str]]:
    for decoder in wazuh_ruleset.decoders():
        if decoder.find("prematch") is not None and re.search(decoder.findtext("prematch", ""), log):
            return {decoder.attrib["name"]}, dict(_fields_of_children(decoder.attrib["name"], log))
    return set(), {}


def _fields_of_children(name: str, log: str) -> Iterator[tuple[str, str]]:
    for child in wazuh_ruleset.decoders():
        found = re.search(child.findtext("regex", ""), log) if child.findtext("parent") == name else None
        if found:
            yield from zip(child.findtext("order", "").lower().split(","), found.groups(), strict=True)


def _stock_rules() -> Iterator[Rule]:
    conditions = RULES | STOCK["rules"]
    for sid, level in LEVELS.items():
        wanted = conditions[str(sid)]
        parents = (wanted["parent"],) if "parent" in wanted else ()
        yield Rule(sid, level, parents, noalert=False, matches=partial(_is_stock_match, sid, wanted))


def _is_stock_match(sid: int, wanted: dict[str, Any], event: Event) -> bool:
    return not unmet_by_itself(sid, wanted, event.datagram)


def _own_rule(element: ET.Element) -> Iterator[Rule]:
    if element.find("if_matched_sid") is not None:
        return
    conditions = [
        _condition(part) for part in element if part.tag in ("decoded_as", "field", "match", "regex", "location")
    ]
    yield Rule(
        sid=int(element.attrib["id"]),
        level=int(element.attrib["level"]),
        parents=tuple(wazuh_ruleset.sids(element, "if_sid")),
        noalert=element.get("noalert") == "1",
        matches=partial(_are_met, conditions),
    )


def _are_met(conditions: list[Callable[[Event], bool]], event: Event) -> bool:
    return all(condition(event) for condition in conditions)


def _condition(part: ET.Element) -> Callable[[Event], bool]:
    text = part.text or ""
    if part.tag == "decoded_as":
        return lambda event: text in event.decoders
    pattern = expression(part)
    if part.tag == "field":
        name = part.attrib["name"].lower()
        return lambda event: name in event.fields and pattern.search(event.fields[name]) is not None
    if part.tag == "location":
        return lambda event: pattern.search(event.location) is not None
    return lambda event: pattern.search(event.log) is not None


def expression(part: ET.Element) -> re.Pattern[str]:
    """Return the expression of a condition in Python's language. Raises ValueError if that is not known to be the same."""
    text = part.text or ""
    if part.get("type") == "pcre2":
        return re.compile(text)
    if part.tag == "field" and text == r"\.+":
        return re.compile(".")
    if part.tag == "field" or not _LITERAL.fullmatch(text):
        raise ValueError(f"write {text!r} with type pcre2")
    return re.compile(("^" if text.startswith("^") else "") + re.escape(text.removeprefix("^")), re.IGNORECASE)
