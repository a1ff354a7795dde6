"""Putting dead letters back where they came from: events on `raw`, datagrams on `enriched`, payloads on their own queue.

A letter is removed in the transaction that queues its batch and takes its events back out of the books' dead_lettered.
So at every instant it is either a letter or a batch, whoever else replays it and whenever this process dies.
"""

from collections.abc import Iterable

import msgspec
import redis
from redis.client import Pipeline

from services.operator.dead_letters import batches
from services.operator.dead_letters.batches import Pile
from services.operator.dead_letters.selection import Entry
from shared import books, dead_letters, queues
from shared.queues import ENRICHED, RAW

#: Bounds of one batch.
MAX_LETTERS = 1_000
MAX_BYTES = 1024 * 1024
#: Letters held at once, of all groups: beyond it the largest pile goes, full or not.
MAX_HELD_BYTES = 32 * 1024 * 1024
#: What a letter costs beside its bytes, about.
LETTER_BYTES = 2_000


class Replayed(msgspec.Struct):
    """What became of the letters so far."""

    letters: dict[str, int] = {}
    """Letters put back, by queue."""
    events: int = 0
    gone: int = 0
    """Letters that were gone when it was their turn: replayed or discarded by somebody else."""
    stay: int = 0
    """Letters that cannot be replayed; why the last of them cannot."""
    why: str = ""


class _Held(msgspec.Struct):
    """The letters of one pile that wait for more."""

    entries: dict[bytes, Entry] = {}
    bytes: int = 0


class Replay:
    """One replay. Blocks on Redis; raises redis.RedisError, with whole batches done and the rest as it was."""

    def __init__(self, client: redis.Redis) -> None:
        self.done = Replayed()
        self._client = client
        self._routes = {route.queue: (queues.open_queue(client, route), route) for route in (RAW, ENRICHED)}
        self._held: dict[Pile, _Held] = {}
        self._held_bytes = 0
        self._batch_ids: set[str] = set()

    def run(self, entries: Iterable[Entry]) -> Replayed:
        """Put all of `entries` back. What has failed again meanwhile is left to the next replay."""
        for entry in entries:
            if entry.id.rpartition("-")[0] in self._batch_ids:
                continue
            if why := batches.obstacle(entry.letter):
                self.done.stay += 1
                self.done.why = f"{entry.id}: {why}"
            else:
                self._add(entry)
        while self._held:
            self._put_back(next(iter(self._held)))
        return self.done

    def _add(self, entry: Entry) -> None:
        pile, size = batches.pile(entry), len(entry.body)
        if pile in self._held and self._held[pile].bytes + size > MAX_BYTES:
            self._put_back(pile)
        held = self._held.setdefault(pile, _Held())
        held.entries[entry.name] = entry
        held.bytes += size
        self._held_bytes += size + LETTER_BYTES
        if pile.batch or len(held.entries) >= MAX_LETTERS:
            self._put_back(pile)
        elif self._held_bytes > MAX_HELD_BYTES:
            self._put_back(max(self._held, key=lambda one: len(self._held[one].entries)))

    def _put_back(self, pile: Pile) -> None:
        """Make one batch of the letters of a pile that are still there when the transaction is."""
        held = self._held.pop(pile)
        self._held_bytes -= held.bytes + len(held.entries) * LETTER_BYTES

        def record(pipe: Pipeline, there: list[bytes]) -> None:
            made = batches.batch(pile, [held.entries[name] for name in there])
            queues.put(pipe, *self._routes[made.queue], made.batch_id, made.payload, made.facts)
            books.record(pipe, str(made.facts["group_key"]), {"dead_lettered": -int(made.facts["events"])})
            self._batch_ids.add(made.batch_id)

        letters = {name: entry.data for name, entry in held.entries.items()}
        removed = dead_letters.remove(self._client, letters, record)
        self.done.gone += len(letters) - len(removed)
        self.done.letters[pile.queue] = self.done.letters.get(pile.queue, 0) + len(removed)
        self.done.events += sum(held.entries[name].letter.events for name in removed)
