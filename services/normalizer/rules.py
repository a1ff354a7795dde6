"""Which events a source keeps: its discard and keep rules, compiled once."""

import re
from collections.abc import Iterable, Iterator

import msgspec

from shared.errors import SettingsError
from shared.settings.model import Source

_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LIST = msgspec.json.Decoder(list[msgspec.Raw])


class Rules:
    """The rules of one source."""

    def __init__(self, source: Source) -> None:
        """Raise SettingsError when a regular expression cannot be compiled."""
        self._discard = _compiled(source, "discard_regex", source.discard_regex)
        self._keep = _compiled(source, "keep_regex", source.keep_regex)
        self._field = source.discard_field
        self.exist = self._discard is not None or self._keep is not None

    def keep(self, message: str) -> bool:
        """Return whether an event with this message is delivered: not discarded, and kept where only some are."""
        return not self.discarding(message)

    def discarding(self, message: str) -> str:
        """Return the setting by which an event with this message is not delivered; "" if it is."""
        if self._discard is not None:
            tried: Iterable[str] = _values(message, self._field) if self._field else (message,)
            if any(map(self._discard.search, tried)):
                return "discard_regex"
        return "" if self._keep is None or self._keep.search(message) else "keep_regex"


def _compiled(source: Source, key: str, regex: str) -> re.Pattern[str] | None:
    try:
        return re.compile(regex) if regex else None
    except (re.error, RecursionError, OverflowError) as error:
        raise SettingsError([f"source {source.name}: {key}: {error}"]) from error


def _values(message: str, path: str) -> Iterator[str]:
    """Yield the values at the dotted `path` of a JSON event: strings as they are, others as their JSON text.

    A list on the way, or at the end, stands for each of its elements. Nothing for an event that is not a JSON object.
    """
    text = message.strip()
    if not text.startswith("{"):
        return
    try:
        yield from _at(msgspec.Raw(text.encode()), path)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return


def _at(value: msgspec.Raw, path: str) -> Iterator[str]:
    text = bytes(value)
    if text.startswith(b"["):
        for element in _LIST.decode(text):
            yield from _at(element, path)
    elif not path:
        yield msgspec.json.decode(text, type=str) if text.startswith(b'"') else text.decode()
    elif text.startswith(b"{"):
        members = _OBJECT.decode(text)
        if path in members:
            yield from _at(members[path], "")
        else:
            key, _, rest = path.partition(".")
            if rest and key in members:
                yield from _at(members[key], rest)
