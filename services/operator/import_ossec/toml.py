"""Drafts of sources as the text of a configuration file, every remark a comment at its place. Pure."""

from collections.abc import Iterator, Sequence
from textwrap import wrap

from services.operator.import_ossec.draft import Draft
from shared.settings.written import written

_WIDTH = 110

HEAD = """\
# Made by `cwpipe import-ossec`; cwpipe.example.toml and docs/settings.md have every key.
# Events reach Wazuh in the form that its rules know, marked with their origin. For rules that expect them as
# the wodle sent them, with no origin and the location Wazuh-AWS, add to a source: format = "raw"
"""


def text(parts: Sequence[tuple[str, Sequence[Draft]]]) -> str:
    """Return the file: for each wodle what is to be said of it, and its sources."""
    lines = [HEAD]
    for about, drafts in parts:
        lines += [*comment(about), ""]
        for made in drafts:
            lines += [*_source(made), ""]
    return "\n".join(lines)


def comment(said: str, mark: str = "") -> list[str]:
    """Return a remark as lines of comment; nothing in it can end the comment."""
    printable = "".join(letter if letter.isprintable() else "?" for letter in said)
    return [f"# {line}" for line in wrap(mark + printable, _WIDTH - 2, break_on_hyphens=False)]


def _source(made: Draft) -> Iterator[str]:
    for remark in made.remarks:
        yield from comment(remark)
    for todo in made.todos:
        yield from comment(todo, "TO DO: ")
    off = "#" if made.is_off else ""
    keys = {"name": made.name, "regions": made.regions, "log_groups": made.log_groups, **made.keys}
    width = max(map(len, keys))
    yield f"{off}[[sources]]"
    for key, value in keys.items():
        yield f"{off}{key:{width}} = {written(value)}"
