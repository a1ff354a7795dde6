"""The location of an event: where Wazuh shows, and rules test, which stream a line came from."""

import re

from services.normalizer.text import fit, visible
from services.normalizer.wire import MAX_LOCATION_BYTES

#: What Wazuh's own module sends, and what our locations begin with: a first `[` or `(` would speak for an agent.
PLAIN = "Wazuh-AWS"

# In alerts.log a line break in a location would begin a line of the writer's choice, the others move the cursor of
# whoever reads it.
_CONTROLS = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029]")

# Wazuh 4 unescapes `||`, Wazuh 5 only `|:`, so no spelling of `|` means the same to both. After a `->` analysisd looks
# for the name of a module: `->ossec-keepalive` would hide every event of the stream from alerts and archives.
_REPLACED = (("|", "\u00a6"), ("->", "\u2192"))


def location_of(region: str, log_group: str, log_stream: str) -> str:
    """Return `Wazuh-AWS:{region}:{log_group}:{log_stream}`, unescaped, at most MAX_LOCATION_BYTES of UTF-8.

    Control characters are removed, `|` becomes U+00A6 and `->` becomes U+2192.
    """
    location = _CONTROLS.sub("", f"{PLAIN}:{region}:{log_group}:{log_stream}")
    for old, new in _REPLACED:
        location = location.replace(old, new)
    return fit(visible(location), MAX_LOCATION_BYTES)
