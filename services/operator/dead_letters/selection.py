"""Which dead letters, or kept originals, are meant; and reading those, a few at a time however many there are."""

import fnmatch
import time
from collections.abc import Iterator
from typing import Any

import redis
from msgspec import Struct

from shared import codec, keys
from shared.errors import PoisonMessage, SettingsError
from shared.messages import DeadLetter, KeptOriginal
from shared.settings.quantities import start_ms

#: Entries asked for at once: one may be of a megabyte.
READ_AT_ONCE = 100

UNREADABLE = "this entry cannot be read"


class Entry(Struct, frozen=True, kw_only=True):
    """One entry as it is in Redis, and what it says. A kept original is read as a letter of no events."""

    name: bytes
    """Its id. Who can write to Redis may have made it of anything."""
    data: bytes
    letter: DeadLetter
    is_original: bool = False

    @property
    def id(self) -> str:
        return self.name.decode(errors="backslashreplace")

    @property
    def body(self) -> bytes:
        """What the event says, or the payload where there is no event."""
        event = self.letter.event
        return event.message.encode() if event is not None else self.letter.payload


class Selection(Struct, frozen=True, kw_only=True):
    """What an entry must be like; the default is any."""

    reason: str = ""
    """A part of the reason, in any case."""
    group: str = ""
    """The log group's name, or a glob of it."""
    since_ms: int | None = None
    until_ms: int | None = None
    """Became an entry in [since_ms, until_ms)."""

    def matches(self, letter: DeadLetter) -> bool:
        """Say whether `letter` is meant."""
        if self.since_ms is not None and letter.at_ms < self.since_ms:
            return False
        if self.until_ms is not None and letter.at_ms >= self.until_ms:
            return False
        if self.reason and self.reason.casefold() not in letter.reason.casefold():
            return False
        if not self.group:
            return True
        name = letter.group.log_group if letter.group else ""
        return name == self.group or fnmatch.fnmatchcase(name, self.group)


def selection(*, reason: str, group: str, since: str, until: str, originals: bool = False) -> Selection:
    """Return what the options of a command mean. Raises SettingsError for a time that is none."""
    now_ms = int(time.time() * 1000)
    times: dict[str, int | None] = {}
    faults = []
    for option, text in (("since", since), ("until", until)):
        try:
            times[option] = start_ms(text, now_ms) if text else None
        except ValueError as error:
            faults.append(f"--{option} {text!r}: {error}")
    if originals and reason:
        faults.append("--reason: kept originals have none, only dead letters do")
    if faults:
        raise SettingsError(faults)
    return Selection(reason=reason, group=group, since_ms=times["since"], until_ms=times["until"])


def some(ids: tuple[str, ...], *, everything: bool, originals: bool = False, **options: str) -> Selection:
    """Return what the options of a command that changes something mean.

    Raises SettingsError unless they name IDs, or select, or say --all: one of the three.
    """
    given = [bool(ids), any(options.values()), everything]
    if sum(given) != 1:
        what = "say which" if not any(given) else "say only one"
        raise SettingsError([f"{what}: IDs, a selection (--reason, --group, --since, --until), or --all"])
    return selection(**options, originals=originals)


def scan(client: redis.Redis, wanted: Selection, *, originals: bool = False) -> Iterator[Entry]:
    """Yield the entries that are meant, in no order. Blocks on Redis; one that is moved meanwhile may come twice."""
    entries = _originals(client) if originals else _letters(client)
    return (entry for entry in entries if wanted.matches(entry.letter))


def find(client: redis.Redis, ids: tuple[str, ...], *, originals: bool | None = None) -> list[Entry]:
    """Return the dead letters, the kept originals, or with None either, that have these ids; each once.

    Raises SettingsError that names those that are not there.
    """
    found: dict[str, Entry] = {}
    for name in ids:
        key = name.encode(errors="surrogateescape")  # as the shell gave it, which need not be text
        data = client.hget(keys.DEAD_LETTERS, key) if not originals else None
        if isinstance(data, bytes):
            found[name] = _letter(key, data)
        elif originals is not False:
            kept = client.get(keys.kept_original(key.decode(errors="replace")))
            if isinstance(kept, bytes):
                found[name] = _original(key, kept)
    what = {None: "dead letter or kept original", True: "kept original", False: "dead letter"}[originals]
    missing = [f"there is no {what} {name!r}: see `cwpipe dead-letters list`" for name in ids if name not in found]
    if missing:
        raise SettingsError(missing)
    return list(found.values())


def _letters(client: redis.Redis) -> Iterator[Entry]:
    rows: Any = client.hscan_iter(keys.DEAD_LETTERS, count=READ_AT_ONCE)
    for name, data in rows:
        yield _letter(name, data)


def _originals(client: redis.Redis) -> Iterator[Entry]:
    cursor, began = 0, False
    while cursor or not began:
        began = True
        answer: Any = client.zscan(keys.KEPT_ORIGINALS, cursor, count=READ_AT_ONCE)
        cursor, names = answer[0], [name for name, _ in answer[1]]
        for at in range(0, len(names), READ_AT_ONCE):  # a small list comes whole, however little was asked for
            some = names[at : at + READ_AT_ONCE]
            held: Any = client.mget([keys.kept_original(name.decode(errors="replace")) for name in some])
            for name, data in zip(some, held, strict=True):
                if data is not None:  # it may have made room for a newer one
                    yield _original(name, data)


def _letter(name: bytes, data: bytes) -> Entry:
    try:
        letter = codec.decode(DeadLetter, data)
    except PoisonMessage as poison:
        letter = DeadLetter(reason=f"{UNREADABLE}: {poison}", at_ms=0, payload=data, events=0)
    return Entry(name=name, data=data, letter=letter)


def _original(name: bytes, data: bytes) -> Entry:
    try:
        kept = codec.decode(KeptOriginal, data)
    except PoisonMessage as poison:
        letter = DeadLetter(reason=f"{UNREADABLE}: {poison}", at_ms=0, payload=data, events=0)
    else:
        letter = DeadLetter(reason="", at_ms=kept.at_ms, group=kept.group, event=kept.event, events=0)
    return Entry(name=name, data=data, letter=letter, is_original=True)
