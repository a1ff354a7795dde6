"""One raw batch made into an enriched one: the hand-over is one transaction, and every event is accounted for."""

from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Any

import msgspec
import pytest
import redis
import structlog

from services.normalizer import normalize
from services.normalizer.normalize import Normalizer
from services.normalizer.shape import Shaped
from shared import codec, dead_letters, keys, queues
from shared.messages import DeadLetter, EnrichedBatch, GroupRef, KeptOriginal, LogEvent, RawBatch
from shared.queues import ENRICHED, RAW
from shared.settings.model import Limits, Settings, Source, Wazuh
from tests.unit.forwarder.factories import GROUP, GROUP_KEY, a_raw_batch, account, an_event, facts_of, put, put_bytes
from tests.unit.forwarder.faulty_redis import Moment, faulty_client

SOURCE = Source(name="production", regions=("eu-west-1",), log_groups=("*",))
SETTINGS = Settings(sources=(SOURCE,))


class FakeFastPath:
    """Takes what says that it is common."""

    def datagrams(self, events: Sequence[LogEvent]) -> list[bytes | None]:
        if any(event.message == "common fault" for event in events):
            raise ValueError("no such lot")
        return [event.message.encode() if event.message.startswith("common") else None for event in events]


class FakeShaper:
    """Does with an event what its message says; else one datagram of the message."""

    made: list[tuple[GroupRef, Source]] = []  # noqa: RUF012 - shared by all, on purpose
    limits: list[int] = []  # noqa: RUF012 - the same
    fast_path = FakeFastPath()

    def __init__(self, group: GroupRef, source: Source, limit: int, *, backfill: bool = False) -> None:
        self._mark = b"past " if backfill else b""
        self.made.append((group, source))
        self.limits.append(limit)

    def shape(self, event: LogEvent) -> Shaped:
        words = event.message.split()
        match words:
            case ["discard"]:
                return Shaped(())
            case ["raise"]:
                raise ValueError("no such shape")
            case ["parts", number]:
                parts = tuple(f"{event.event_id} part {part}".encode() for part in range(int(number)))
                return Shaped(parts, oversize=True)
            case _:
                return Shaped((self._mark + event.message.encode(),))


@pytest.fixture(autouse=True)
def _fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What becomes of one event is tested elsewhere."""
    monkeypatch.setattr(normalize, "Shaper", FakeShaper)
    FakeShaper.made.clear()
    FakeShaper.limits.clear()
    yield
    FakeShaper.made.clear()
    FakeShaper.limits.clear()


def normalizer(
    client: redis.Redis, settings: Settings = SETTINGS, beat: Callable[[], None] = lambda: None
) -> Normalizer:
    """Return the stage as its role wires it."""
    return Normalizer(client, queues.open_queue(client, ENRICHED), settings, beat)


def a_batch(*messages: str, batch_id: str = f"{GROUP_KEY}-1-0", source: str = "production") -> RawBatch:
    """Return a batch of events with these messages."""
    events = tuple(an_event(number, message) for number, message in enumerate(messages))
    return RawBatch(batch_id=batch_id, group=GROUP, source=source, events=events)


def normalized(client: redis.Redis, batch: RawBatch, settings: Settings = SETTINGS) -> EnrichedBatch | None:
    """Queue and normalize one batch; return what is on the queue `enriched` for it."""
    normalizer(client, settings).normalize(batch.batch_id, put(client, batch))
    payload = queues.take(client, ENRICHED, batch.batch_id)
    return codec.decode(EnrichedBatch, payload) if payload is not None else None


def letters(client: redis.Redis) -> dict[str, DeadLetter]:
    """Return every dead letter, by id."""
    rows: dict[bytes, bytes] = client.hgetall(keys.DEAD_LETTERS)  # type: ignore[assignment]  # sync, not async
    return {name.decode(): codec.decode(DeadLetter, data) for name, data in rows.items()}


def originals(client: redis.Redis) -> list[KeptOriginal]:
    """Return every kept original, the oldest first."""
    ids: list[Any] = client.zrange(keys.KEPT_ORIGINALS, 0, -1)
    kept = [client.get(keys.kept_original(name.decode())) for name in ids]
    return [codec.decode(KeptOriginal, data) for data in kept if isinstance(data, bytes)]


def test_a_batch_is_handed_over(client: redis.Redis) -> None:
    """The same events, in their order, as datagrams; the raw batch is gone."""
    enriched = normalized(client, a_batch("one", "two", "three"))

    assert enriched == EnrichedBatch(
        batch_id=f"{GROUP_KEY}-1-0",
        group=GROUP,
        datagrams=(b"one", b"two", b"three"),
        newest_ms=an_event(2).timestamp_ms,
    )
    assert {"raw": 0, "enriched": 1} == queues.outstanding(client)
    assert queues.take(client, RAW, f"{GROUP_KEY}-1-0") is None
    assert b"0" == client.hget(keys.BYTES, "raw")
    assert 3 == account(client).in_flight


@pytest.mark.parametrize("lot", [1, 2, 256])
def test_events_keep_their_order_whichever_way_they_go(
    client: redis.Redis, lot: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The common ones of a lot are made together, the others one by one."""
    monkeypatch.setattr(normalize, "BEAT_EVENTS", lot)
    enriched = normalized(client, a_batch("common 1", "2", "discard", "parts 2", "common 3", "common 4", "5"))

    assert enriched is not None
    assert (
        b"common 1",
        b"2",
        b"event-3 part 0",
        b"event-3 part 1",
        b"common 3",
        b"common 4",
        b"5",
    ) == enriched.datagrams
    assert (2,) == enriched.continued


def test_a_fault_of_the_fast_path_loses_nothing(client: redis.Redis) -> None:
    """Each event of the lot is shaped by itself."""
    enriched = normalized(client, a_batch("common 1", "common fault", "discard", "2"))

    assert enriched is not None
    assert (b"common 1", b"common fault", b"2") == enriched.datagrams


def test_what_became_of_each_event_is_counted(client: redis.Redis) -> None:
    """Fetched is delivered, discarded, dead or on its way: nothing goes missing in silence."""
    enriched = normalized(client, a_batch("one", "discard", "parts 3", "raise", "discard", "parts 2", "last"))

    assert enriched is not None
    assert (1, 2, 4) == enriched.continued
    assert 7 == len(enriched.datagrams)
    assert (2, 1, 4) == (account(client).discarded, account(client).dead_lettered, account(client).in_flight)


def test_the_job_that_follows_speaks_of_the_events_that_do(client: redis.Redis) -> None:
    """Should its payload be spoiled, the books rest on these facts: what was discarded must not die again."""
    batch = a_batch("one", "discard", "raise", "four")
    normalized(client, batch)
    (job,) = queues.open_queue(client, ENRICHED).jobs
    _, facts = job.args
    dead_letters.bury(client, ENRICHED, batch.batch_id, b"spoiled", facts, "spoiled")

    assert 2 == facts["events"]
    assert str(job.description).startswith("2 events  ")
    assert 0 == account(client).in_flight


def test_an_event_that_cannot_be_shaped_becomes_a_dead_letter_and_the_others_go_on(client: redis.Redis) -> None:
    """A fault of ours must not stop a group; the event is kept whole, with the reason, to be replayed."""
    enriched = normalized(client, a_batch("one", "raise", "three"))
    (name, letter), *others = letters(client).items()

    assert enriched is not None
    assert (b"one", b"three") == enriched.datagrams
    assert [] == others
    assert f"{GROUP_KEY}-1-0-n0" == name
    assert (an_event(1, "raise"), GROUP, "production") == (letter.event, letter.group, letter.source)
    assert "no such shape" in letter.reason


def test_a_batch_of_the_past_is_shaped_as_such_kept_as_such_and_is_no_lag(client: redis.Redis) -> None:
    """Beside a batch of the same source that is not; a lag of weeks would wake somebody up."""
    live = a_batch("live")
    past = msgspec.structs.replace(a_batch("old", "raise", batch_id=f"{GROUP_KEY}-b1-0"), backfill=True)
    enriched = [normalized(client, batch) for batch in (live, past)]
    ((_, letter),) = letters(client).items()

    assert [(b"live",), (b"past old",)] == [batch.datagrams for batch in enriched if batch]
    assert [an_event(0).timestamp_ms, 0] == [batch.newest_ms for batch in enriched if batch]
    assert letter.backfill


@pytest.mark.parametrize("messages", [("discard", "discard"), ("raise",), ("discard", "raise")])
def test_a_batch_of_which_nothing_is_left_ends_here(client: redis.Redis, messages: tuple[str, ...]) -> None:
    """No job for nothing: the forwarder would acknowledge an empty batch."""
    assert normalized(client, a_batch(*messages)) is None
    assert {"raw": 0, "enriched": 0} == queues.outstanding(client)
    assert [] == queues.open_queue(client, ENRICHED).job_ids
    assert 0 == account(client).in_flight


def test_a_batch_that_is_done_is_left_alone(client: redis.Redis) -> None:
    """A job may be run again for many reasons; without a payload there is nothing to do."""
    batch = a_batch("one", "parts 2", "raise")
    facts = put(client, batch)
    stage = normalizer(client)
    stage.normalize(batch.batch_id, facts)
    before = account(client), len(letters(client)), len(originals(client))
    stage.normalize(batch.batch_id, facts)

    assert before == (account(client), len(letters(client)), len(originals(client)))
    assert 1 == len(queues.open_queue(client, ENRICHED).job_ids)


def test_a_payload_that_cannot_be_decoded_becomes_a_dead_letter(client: redis.Redis) -> None:
    """With the events of its facts, so that the books still balance."""
    facts = put_bytes(client, RAW, "g-1-0", b"spoiled", events=7)
    normalizer(client).normalize("g-1-0", facts)
    (letter,) = letters(client).values()

    assert (b"spoiled", 7) == (letter.payload, letter.events)
    assert (7, 0) == (account(client).dead_lettered, account(client).in_flight)
    assert {"raw": 0, "enriched": 0} == queues.outstanding(client)


def test_the_whole_of_an_oversize_event_is_kept(client: redis.Redis) -> None:
    """What was made of it is delivered; who needs every byte of it can have it."""
    normalized(client, a_batch("parts 2", "short"))

    assert [an_event(0, "parts 2")] == [kept.event for kept in originals(client)]
    assert 0 == account(client).dead_lettered
    assert int(client.hget(keys.BYTES, "kept_originals") or 0) > 0


def test_kept_originals_have_a_bound_and_the_oldest_make_room(client: redis.Redis) -> None:
    """They are a courtesy, and must not fill Redis; and what goes is said."""
    one = len(codec.encode(KeptOriginal(at_ms=0, group=GROUP, event=an_event(0, "parts 2"))))
    settings = Settings(sources=(SOURCE,), limits=Limits(kept_original_bytes=3 * one + one // 2))
    with structlog.testing.capture_logs() as logs:
        for number in range(6):
            normalized(client, a_batch("parts 2", batch_id=f"g-{number}-0"), settings)
    held = int(client.hget(keys.BYTES, "kept_originals") or 0)

    assert 3 == len(originals(client)) == len(client.keys("cwpipe:kept_original:*"))
    assert held <= 3 * one + one // 2
    assert held == sum(int(client.strlen(key)) for key in client.keys("cwpipe:kept_original:*"))
    assert 3 == sum(line["dropped"] for line in logs)


@pytest.mark.parametrize("moment", ["before", "after", "from then on"])
def test_a_connection_that_breaks_while_originals_are_dropped_leaves_none_behind(
    client: redis.Redis, redis_url: str, moment: Moment
) -> None:
    """One that is in no list would never be dropped, and its bytes would count for ever."""
    for at in count(1):
        client.flushall()
        for number in range(3):
            normalized(client, a_batch("parts 2", batch_id=f"g-{number}-0"))
        with faulty_client(redis_url, at, moment) as (faulty, plan):
            try:
                dead_letters.trim_originals(faulty, 1)
            except redis.ConnectionError:
                dead_letters.trim_originals(client, 1)
            has_broken = plan.has_broken

        assert 0 == len(client.keys("cwpipe:kept_original:*"))
        assert 0 == int(client.hget(keys.BYTES, "kept_originals") or 0)
        if not has_broken:
            return


@pytest.mark.parametrize("moment", ["before", "after", "from then on"])
def test_a_crash_between_any_two_commands_repeats_nothing_and_loses_nothing(
    client: redis.Redis, redis_url: str, moment: Moment
) -> None:
    """The raw batch ends and the enriched one begins at one moment, with letters, originals and books."""
    for at in count(1):
        client.flushall()
        batch = a_batch("one", "discard", "parts 3", "raise")
        facts = put(client, batch)
        with faulty_client(redis_url, at, moment) as (faulty, plan):
            try:
                Normalizer(faulty, queues.open_queue(client, ENRICHED), SETTINGS, lambda: None).normalize(
                    batch.batch_id, facts
                )
                assert 0 == queues.outstanding(client)["raw"]
            except redis.ConnectionError:
                pass  # RQ hands the job out again
            has_broken = plan.has_broken
        between = queues.outstanding(client)
        assert 1 == between["raw"] + between["enriched"]

        normalizer(client).normalize(batch.batch_id, facts)

        assert {"raw": 0, "enriched": 1} == queues.outstanding(client)
        assert [f"enriched-{batch.batch_id}"] == queues.open_queue(client, ENRICHED).job_ids
        assert (1, 1, 2) == (account(client).discarded, account(client).dead_lettered, account(client).in_flight)
        assert (1, 1) == (len(letters(client)), len(originals(client)))
        assert b"0" == client.hget(keys.BYTES, "raw")
        if not has_broken:
            assert at > 3
            return


def test_the_rules_of_the_source_that_owns_the_group_apply(client: redis.Redis) -> None:
    """The batch names it."""
    normalized(client, a_batch("one"))

    assert [(GROUP, SOURCE)] == FakeShaper.made


def test_a_source_that_is_not_in_the_settings_any_more_is_delivered_without_rules(client: redis.Redis) -> None:
    """It was renamed or removed while batches were queued: losing them is not what was asked for."""
    with structlog.testing.capture_logs() as logs:
        enriched = normalized(client, a_batch("one", source="removed"))

    assert enriched is not None
    assert ["removed"] == [line["source"] for line in logs if "not in the settings" in line["event"]]
    assert ("", "", "auto") == (
        FakeShaper.made[0][1].discard_regex,
        FakeShaper.made[0][1].keep_regex,
        FakeShaper.made[0][1].format,
    )


def test_the_claim_on_a_job_is_kept_between_its_events(client: redis.Redis) -> None:
    """Ten thousand events with a regular expression that is slow take longer than a claim lasts."""
    beats = []
    batch = a_raw_batch(5_000)
    facts = put(client, batch)
    normalizer(client, beat=lambda: beats.append(1)).normalize(batch.batch_id, facts)

    assert len(beats) >= 5
    assert facts == facts_of(5_000)


def test_what_is_for_an_agent_is_made_to_fit_one(client: redis.Redis) -> None:
    """An agent drops what analysisd's own socket still takes."""
    for settings in (SETTINGS, Settings(sources=(SOURCE,), wazuh=Wazuh(confirm="agent"))):
        batch = a_raw_batch()
        facts = put(client, batch)
        normalizer(client, settings).normalize(batch.batch_id, facts)

    assert [65_535, 65_280] == FakeShaper.limits
