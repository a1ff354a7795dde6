"""The location of an event: where Wazuh shows, and rules test, which stream a line came from."""

import re

from services.normalizer.text import fit, visible
from services.normalizer.wire import MAX_LOCATION_BYTES

#: What Wazuh's own module sends, and what our locations begin with: a first `[` or `(` would speak for an agent.
PLAIN = "Wazuh-AWS"
DEFAULT = PLAIN + ":{region}:{log_group}:{log_stream}"
#: What the location of an event begins with that a backfill read.
BACKFILL = PLAIN + "-backfill"

# In alerts.log a line break in a location would begin a line of the writer's choice, the others move the cursor of
# whoever reads it.
_CONTROLS = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029]")

# Wazuh 4 unescapes `||`, Wazuh 5 only `|:`, so no spelling of `|` means the same to both. After a `->` analysisd looks
# for the name of a module: `->ossec-keepalive` would hide every event of the stream from alerts and archives.
_REPLACED = (("|", "\u00a6"), ("->", "\u2192"))
_FIELD = re.compile(r"\{(\w+)\}")


def location_of(
    region: str,
    log_group: str,
    log_stream: str,
    account: str = "",
    template: str = DEFAULT,
    *,
    backfill: bool = False,
) -> str:
    """Return `template` filled in, unescaped, at most MAX_LOCATION_BYTES of UTF-8.

    Control characters are removed, `|` becomes U+00A6 and `->` becomes U+2192. What would then be empty, or speak for an
    agent, begins with `Wazuh-AWS`. Raises KeyError for a field that the settings do not allow.
    """
    location = filled_in(region, log_group, log_stream, account, template)
    return fit(_of_the_past(location) if backfill else location, MAX_LOCATION_BYTES)


def filled_in(region: str, log_group: str, log_stream: str, account: str, template: str) -> str:
    """Return the same, however long it is."""
    values = {"region": region, "account": account, "log_group": log_group, "log_stream": log_stream}
    # In one pass, so that no name can bring along a field of its own.
    location = _CONTROLS.sub("", _FIELD.sub(lambda field: values[field[1]], template))
    for old, new in _REPLACED:
        location = location.replace(old, new)
    location = visible(location)
    if not location:
        location = PLAIN
    elif location[0] in "[(":
        location = f"{PLAIN}:{location}"
    return location


def _of_the_past(location: str) -> str:
    """Return a location that a rule can tell from that of the same stream's live events, whatever the template."""
    if location == PLAIN or location.startswith(PLAIN + ":"):
        return BACKFILL + location.removeprefix(PLAIN)
    return f"{BACKFILL}:{location}"
