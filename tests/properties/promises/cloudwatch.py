"""A log group in which every event can be told apart when it arrives, and calls that are effects."""

import re
from typing import Literal, NamedTuple

from shared.aws.pages import Page
from shared.errors import SourceUnreachable
from shared.messages import GroupRef
from tests.properties.promises.effects import Effects
from tests.unit.fetcher.modelled_group import Arrival, Clock, ModelledGroup

#: What an event is, and so what becomes of it.
Kind = Literal["text", "json", "long", "discarded", "refused", "refused in part", "faulty"]

#: A datagram holds so many bytes here, so that a text in parts is a short one.
MAX_DATAGRAM_BYTES = 400
DISCARDED, REFUSED, FAULTY = "not wanted", "too long", "hits a fault of ours"
_LABEL = re.compile(r"\[\d+\]")


def message_of(label: str, kind: Kind) -> str:
    """Return the message of an event; each of its datagrams shows the label."""
    return {
        "text": f"app: {label}",
        "json": f'{{"label":"{label}"}}',
        "long": f"app: {label} " * 60,
        "discarded": f"app: {label} {DISCARDED}",
        "refused": f"app: {label} {REFUSED}",
        "refused in part": f"app: {label} {REFUSED} " + f"{label} " * 120,
        "faulty": f"app: {label} {FAULTY}",
    }[kind]


def label_of(text: str) -> str:
    """Return the label that a message, or a datagram, shows."""
    found = _LABEL.search(text)
    assert found is not None, text
    return found[0]


class Put(NamedTuple):
    """An event that was put."""

    kind: Kind
    arrival: Arrival


class CloudWatchGroup:
    """One log group, and what LogsApi offers for it."""

    def __init__(self, name: str, clock: Clock, effects: Effects, sizes: tuple[int, ...]) -> None:
        self.ref = GroupRef(account_id="123456789012", region="eu-west-1", log_group=name)
        self.modelled = ModelledGroup(clock, sizes)
        self.events: dict[str, Put] = {}
        """By event id."""
        self._effects = effects

    @property
    def ahead_ms(self) -> int:
        return self.modelled.ahead_ms

    def put(self, timestamp_ms: int, kind: Kind, label: str, *, delay_ms: int) -> None:
        """Let an event be ingested now, and be seen in `delay_ms`."""
        arrival = self.modelled.put(timestamp_ms, delay_ms=delay_ms, message=message_of(label, kind))
        self.events[arrival.event.event_id] = Put(kind, arrival)

    def page(self, log_group: str, from_ms: int, to_ms: int, token: str = "") -> Page:
        lost = SourceUnreachable(f"group {log_group}: no answer")
        moment = self._effects.before(lost)
        page = self.modelled.page(log_group, from_ms, to_ms, token)
        self._effects.after(moment, lost)
        return page
