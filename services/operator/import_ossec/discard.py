"""The wodle's discard_regex, which works in another way than ours. Pure."""

import re

from services.operator.import_ossec.draft import Draft
from services.operator.import_ossec.xml import Element

_FLAGS = re.compile(r"\(\?[aiLmsux]+\)")


def discard(option: Element, made: Draft) -> None:
    """Take the expression and its field, and say in what events may fare otherwise than with the wodle."""
    if not option.text:
        return
    made.keys["discard_regex"] = anchored(option.text)
    made.remarks.append(
        r"discard_regex is searched for here, and was matched at the start by the wodle: hence \A. Take it away to find it "
        "anywhere"
    )
    if re.search("&(amp|lt|gt|quot|apos);", option.text):
        made.remarks.append(
            "discard_regex has an entity such as &amp; in it, which the wodle took as it stands; so does this"
        )
    if name := option.attributes.get("field"):
        made.keys["discard_field"] = name
        made.remarks.append(
            "the wodle tried discard_regex on lines that are no JSON as well; with discard_field they are all kept here: a "
            "source of their own can discard them"
        )
    else:
        made.remarks.append(
            "the wodle tried discard_regex without a field on lines that are no JSON only; here, on all events"
        )


def anchored(regex: str) -> str:
    """Return an expression that finds, when it is searched for, what the wodle's would match: it begins at the start."""
    flags = _FLAGS.match(regex)
    begin = flags[0] if flags else ""
    return rf"{begin}\A(?:{regex[len(begin) :]})"
