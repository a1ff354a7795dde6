"""A source in the making, and what our settings say of it. Pure."""

import re
from dataclasses import dataclass, field

from services.operator.import_ossec.xml import shown
from shared.settings.checks import check
from shared.settings.convert import convert
from shared.settings.faults import Faults

#: Characters of a name, which a number may follow.
MAX_NAME = 50


@dataclass
class Draft:
    """A source in the making. A remark that must be acted on is a todo."""

    line: int
    name: str = ""
    keys: dict[str, object] = field(default_factory=dict)
    """As TOML has them, in order; name, regions and log_groups are not among them."""
    regions: list[str] = field(default_factory=list)
    log_groups: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    todos: list[str] = field(default_factory=list)
    is_off: bool = False
    """Written as a comment: the wodle is disabled, or nothing can be read this way."""


def keep_what_loads(made: Draft) -> None:
    """Take out what our settings refuse, with what they say about it."""
    kept: dict[str, object] = {}
    for key, value in made.keys.items():
        source = {"name": "a", "regions": ["us-east-1"], "log_groups": ["a"], **kept, key: value}
        faults = Faults(None)
        check(convert({"sources": [source]}, faults), faults)
        if faults.lines:
            made.todos.append(f"{key} is left out: {shown(faults.lines[0].partition(' = ')[2], 300)}")
        else:
            kept[key] = value
    if "role_arn" in made.keys and "role_arn" not in kept:
        made.is_off = True  # without its role it would read another account's groups
    made.keys = kept


def name_of(made: Draft, alias: str) -> str:
    """Return a name after the account, the profile or the role, with what a name may not have taken out."""
    role = str(made.keys.get("role_arn", "")).rpartition("/")[2]
    for text in (alias, str(made.keys.get("profile", "")), role):
        if name := re.sub("[^A-Za-z0-9_.-]+", "-", text).strip("-_.")[:MAX_NAME]:
            return name
    return "cloudwatch"
