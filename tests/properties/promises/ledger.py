"""What went through the queues, and what has to be true of what Redis holds, whatever was killed just before."""

from collections import Counter
from copy import copy
from typing import Self

from shared import codec, keys
from shared.messages import DeadLetter, EnrichedBatch, RawBatch
from tests.properties.promises.cloudwatch import DISCARDED, FAULTY, REFUSED
from tests.properties.promises.state import State, job_of


class Ledger:
    """Every batch that was ever queued. When Redis goes back to an older state, so does it: to a copy made then."""

    def __init__(self) -> None:
        self.raw: dict[str, RawBatch] = {}
        self.enriched: dict[str, EnrichedBatch] = {}
        self.queued: dict[tuple[str, str], str] = {}
        """The batch that each event, by group key and event id, came in."""
        self.spoiled: dict[tuple[str, str], bytes] = {}
        """What was put in the place of a payload, by queue and batch."""
        self.interruptions: Counter[str] = Counter()
        """How often RQ has handed out a batch's job on `enriched` again."""
        self.facts: dict[tuple[str, str], dict[str, object]] = {}
        self._marks: dict[str, tuple[int, int]] = {}

    def copied(self) -> Self:
        """Return what goes on by itself when this one does."""
        other = copy(self)
        for name, value in vars(self).items():
            setattr(other, name, copy(value))
        return other

    def observe(self, state: State) -> None:
        """Take up new batches. An event is queued once."""
        for queue, facts in state.facts.items():
            self.facts.update({(queue, batch_id): found for batch_id, found in facts.items()})
        for batch_id in state.payloads["raw"].keys() - self.raw.keys():
            batch = self.raw[batch_id] = codec.decode(RawBatch, state.payloads["raw"][batch_id])
            assert batch_id == batch.batch_id
            for event in batch.events:
                before = self.queued.setdefault((_group_of(batch_id), event.event_id), batch_id)
                assert batch_id == before, f"{event} was queued in {before}, and again in {batch_id}"
        for batch_id in state.payloads["enriched"].keys() - self.enriched.keys():
            self.enriched[batch_id] = codec.decode(EnrichedBatch, state.payloads["enriched"][batch_id])

    def check(self, state: State, latest_ms: int) -> None:
        """Compare what Redis holds with itself, and with what it held before."""
        self._check_entries(state)
        self._check_bytes(state)
        self._check_books(state)
        self._check_marks(state, latest_ms)

    def _check_entries(self, state: State) -> None:
        for queue, payloads in state.payloads.items():
            assert payloads.keys() == state.facts[queue].keys(), f"facts of {queue}"
            assert payloads.keys() == set(state.outstanding[queue]), f"outstanding on {queue}"
            assert set() == {job_of(queue, batch_id) for batch_id in payloads} - state.jobs[queue], "without a job"
        assert state.progress.keys() <= state.payloads["enriched"].keys(), "progress of what is done"
        assert state.kept_originals.keys() == set(state.kept_ids)

    def _check_bytes(self, state: State) -> None:
        held = {queue: sum(map(len, payloads.values())) for queue, payloads in state.payloads.items()}
        held["dead_letters"] = sum(map(len, state.dead_letters.values()))
        held["kept_originals"] = sum(map(len, state.kept_originals.values()))

        assert held == {name: state.held.get(name, 0) for name in held}
        assert state.held.keys() <= held.keys()

    def _check_books(self, state: State) -> None:
        waiting: Counter[str] = Counter()
        for batch_id in state.payloads["raw"]:
            waiting[_group_of(batch_id)] += len(self.raw[batch_id].events)
        for batch_id in state.payloads["enriched"]:
            waiting[_group_of(batch_id)] += self._events_from(batch_id, state.progress.get(batch_id, 0))
        in_flight = {group: account.get("fetched", 0) - _done(account) for group, account in state.books.items()}

        assert {group: events for group, events in in_flight.items() if events} == dict(+waiting)
        assert set() == {name for account in state.books.values() for name, count in account.items() if count < 0}

    def _check_marks(self, state: State, latest_ms: int) -> None:
        for group, checkpoint in state.checkpoints.items():
            watermark, swept = self._marks.get(group, (0, 0))
            assert watermark <= checkpoint.watermark_ms <= latest_ms
            assert swept <= checkpoint.swept_ms <= checkpoint.watermark_ms
            self._marks[group] = checkpoint.watermark_ms, checkpoint.swept_ms

    def _events_from(self, batch_id: str, offset: int) -> int:
        batch = self.enriched[batch_id]
        return sum(1 for place in range(offset, len(batch.datagrams)) if place not in batch.continued)

    def check_at_the_end(self, state: State, processed: Counter[bytes]) -> None:
        """With nothing outstanding: every event of every batch is where it belongs, and counted there once."""
        expected: dict[str, Counter[str]] = {group: Counter() for group in state.books}
        due: Counter[bytes] = Counter()
        buried: Counter[bytes] = Counter(self.spoiled.values())
        faulty = set()
        for batch_id, raw in self.raw.items():
            account = expected[_group_of(batch_id)]
            if ("raw", batch_id) in self.spoiled:
                account["dead_lettered"] += len(raw.events)
                continue
            for event in raw.events:
                account["discarded"] += DISCARDED in event.message
                account["dead_lettered"] += FAULTY in event.message
                if FAULTY in event.message:
                    faulty.add((_group_of(batch_id), event.event_id))
        for batch_id, batch in self.enriched.items():
            account = expected[_group_of(batch_id)]
            if ("enriched", batch_id) in self.spoiled:
                account["dead_lettered"] += self._events_from(batch_id, 0)
                continue
            for place, datagram in enumerate(batch.datagrams):
                refused = REFUSED.encode() in datagram
                (buried if refused else due)[datagram] += 1
                if place not in batch.continued:
                    account["dead_lettered" if refused else "delivered"] += 1
        letters = [codec.decode(DeadLetter, data) for data in state.dead_letters.values()]
        kept = {(keys.group_key(it.group), it.event.event_id) for it in letters if it.group and it.event}

        assert Counter() == due - processed, "confirmed, and not processed"
        assert buried == Counter(letter.payload for letter in letters if letter.payload)
        assert faulty == kept
        for group, account in expected.items():
            found = {name: state.books[group].get(name, 0) for name in ("delivered", "discarded", "dead_lettered")}
            assert {name: account[name] for name in found} == found
            events = sum(1 for owner, _ in self.queued if owner == group)
            assert events == state.books[group].get("fetched", 0) - state.books[group].get("duplicates", 0)

    def times_enriched(self) -> Counter[bytes]:
        """Return how often each datagram was queued: the same event twice in one text is two of them."""
        return Counter(datagram for batch in self.enriched.values() for datagram in batch.datagrams)


def _done(account: dict[str, int]) -> int:
    return sum(account.get(name, 0) for name in ("delivered", "duplicates", "discarded", "dead_lettered"))


def _group_of(batch_id: str) -> str:
    return batch_id.partition("-")[0]
