"""What a few events of a group tell about its settings: hints for `cwpipe check`."""

from collections import Counter
from collections.abc import Sequence

from services.normalizer.explain import explain, first_seen
from services.normalizer.explain_text import advice, visible
from shared.messages import GroupRef, LogEvent
from shared.settings.model import Source

#: Events looked at: enough to tell what a group holds.
MAX_EVENTS = 200
#: Streams with lines of one such program, from which on they are taken to have no end.
MANY_STREAMS = 8


def hints(group: GroupRef, source: Source, events: Sequence[LogEvent]) -> list[str]:
    """Return a sentence for each setting that the newest of `events` speak for. Raises SettingsError as Shaper does."""
    told = [explain(event, group, source) for event in events[-MAX_EVENTS:]]
    looked = Counter(family for explanation in told for family in explanation.looks_like)
    found = [
        f"{count} of {len(told)} events look like {family}, which its name does not permit: {advice([family])}"
        for family, count in looked.most_common()
    ]
    streams = {explanation.event.log_stream for explanation in told if first_seen(explanation)}
    if len(streams) >= MANY_STREAMS and "{log_stream}" in source.location:
        shorter = visible(source.location.replace("{log_stream}", "").rstrip(":"))
        found.append(
            f"lines of sudo, su or sshd from {len(streams)} streams: Wazuh's rules for what is seen first, such as 5403, "
            f'alert in every new stream; if streams come without end, set location = "{shorter}"'
        )
    return found
