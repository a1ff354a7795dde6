"""What came of it: what is missing, what came twice, what is left over, whether the books balance."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import redis

from shared import books, dead_letters, keys, queues
from shared.books import Account
from shared.queues import ENRICHED, RAW
from tests.standins.analysisd_ledger import Journaled
from tests.torture.workload import Event, Put, found_in

#: So many missing events are named one by one.
_NAMED = 40
#: A forwarder in doubt repeats so much at most.
WINDOW = 1_000


@dataclass
class Verdict:
    """The findings of one run. `faults` is empty when all is well."""

    put: int = 0
    processed: int = 0
    repeated: int = 0
    most_doubts: int = 0
    books: Account = field(default_factory=Account)
    dropped: int = 0
    agents_dropped: int = 0
    faults: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.put} events put, {self.processed} processed, {self.repeated} of them repeats; sent again by the "
            f"books: {self.books.sent_again}, {self.most_doubts * WINDOW} at most; read twice: {self.books.duplicates}; "
            f"dropped by the receiver: {self.dropped} of ours, {self.agents_dropped} of agents beside ours"
        )


def missing(puts: Sequence[Put], journal: Journaled) -> list[tuple[Put, Event]]:
    """Return what was put and not processed as often."""
    seen = _by_id(journal)
    return [
        (put, event) for put in puts for event in put.events if seen.get((put.location, event.id), 0) < event.copies
    ]


def judge(puts: Sequence[Put], journal: Journaled, client: redis.Redis, *, most_doubts: int, may_drop: bool) -> Verdict:
    """Look at everything, when all is quiet."""
    states = books.read(client)
    verdict = Verdict(
        put=sum(event.copies for put in puts for event in put.events),
        processed=sum(journal.processed.values()),
        books=sum((account for _, account in states.values()), Account()),
        dropped=sum(journal.dropped.values()),
        agents_dropped=journal.agents_dropped_beside_ours,
        most_doubts=most_doubts,
    )
    _judge_events(verdict, puts, journal)
    _judge_repeats(verdict)
    _judge_books(verdict, puts, states)
    verdict.faults += leftovers(client)
    if verdict.books.dead_lettered or dead_letters.count(client):
        verdict.faults.append(f"{verdict.books.dead_lettered} events became dead letters")
    if not may_drop and journal.caused_a_drop:
        verdict.faults.append(f"the receiver dropped {verdict.dropped} of ours, {verdict.agents_dropped} beside ours")
    return verdict


def leftovers(client: redis.Redis) -> list[str]:
    """Return what Redis holds of batches, when none is outstanding."""
    found = [
        f"left over: {key.decode()}"
        for name in ("payload:*", "progress:*", "outstanding:*", "facts:*")
        for key in client.scan_iter(f"cwpipe:{name}", count=1000)
    ]
    for route in (RAW, ENRICHED):
        if held := int(client.hget(keys.BYTES, route.queue) or 0):
            found.append(f"the byte counter of {route.queue} stands at {held}")
        if failed := int(client.zcard(f"rq:failed:{route.queue}")):
            found.append(f"RQ gave up {failed} jobs of {route.queue}")
    return found


def is_quiet(client: redis.Redis) -> bool:
    """Tell whether nothing is on its way: no batch outstanding, every event of the books accounted for."""
    lists = [f"rq:{kind}" for route in (RAW, ENRICHED) for kind in (f"queue:{route.queue}", f"wip:{route.queue}")]
    return not (any(queues.outstanding(client).values()) or books.total(client).in_flight or client.exists(*lists))


def _judge_events(verdict: Verdict, puts: Sequence[Put], journal: Journaled) -> None:
    seen = _by_id(journal)
    wanted: Counter[tuple[str, str]] = Counter()
    for put in puts:
        for event in put.events:
            wanted[put.location, event.id] += event.copies
    verdict.repeated = sum((seen - wanted).values())
    lost = wanted - seen
    made_up = [place for place in seen if place not in wanted]
    if made_up:
        verdict.faults.append(f"{len(made_up)} processed with a wrong location, or never put: {made_up[:5]}")
    if lost:
        verdict.faults.append(f"{sum(lost.values())} of {verdict.put} events were never processed")


def _judge_repeats(verdict: Verdict) -> None:
    if verdict.repeated > verdict.books.sent_again:
        verdict.faults.append(f"{verdict.repeated} repeats, of which the books own up to {verdict.books.sent_again}")
    if verdict.books.sent_again > verdict.most_doubts * WINDOW:
        verdict.faults.append(f"{verdict.books.sent_again} sent again in {verdict.most_doubts} doubts")


def _judge_books(verdict: Verdict, puts: Sequence[Put], states: dict[str, tuple[books.GroupState, Account]]) -> None:
    put: Counter[str] = Counter()
    for one in puts:
        put[one.group] += sum(event.copies for event in one.events)
    for state, account in states.values():
        name = state.group.log_group
        if account.in_flight:
            verdict.faults.append(f"{name}: the books are out by {account.in_flight}: {account}")
        if account.delivered != put[name]:
            verdict.faults.append(f"{name}: {put[name]} put, {account.delivered} delivered by the books")


def _by_id(journal: Journaled) -> Counter[tuple[str, str]]:
    seen: Counter[tuple[str, str]] = Counter()
    for name, times in journal.processed.items():
        seen[found_in(name)] += times
    return seen


def name_missing(puts: Sequence[Put], journal: Journaled, lives: Sequence[tuple[float, float | None]]) -> list[str]:
    """Return a line for each missing event: where it was put and when, and in which life of the receiver that was."""
    dropped = Counter(found_in(name) for name in journal.dropped)
    lost = missing(puts, journal)
    lines = [
        f"  {event.id}  {put.group}  {put.stream}  put at {put.at_seconds:.2f} s, stamped {event.offset_ms:+} ms, in life "
        f"{_life(lives, put.at_seconds)}{', dropped by the receiver' if (put.location, event.id) in dropped else ''}"
        for put, event in lost[:_NAMED]
    ]
    by_place = Counter((put.group, put.stream) for put, _ in lost)
    return [*lines, *(f"  {times} missing of {group} {stream}" for (group, stream), times in by_place.most_common(20))]


def _life(lives: Sequence[tuple[float, float | None]], at: float) -> int:
    return max(number for number, (began, _) in enumerate(lives) if began <= max(at, 0.0))
