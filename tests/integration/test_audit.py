"""An audit of a group on a real Valkey and a CloudWatch that behaves as badly as the real one."""

import json
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis

from services.operator.audit.command import Asked, audit
from shared import books, dead_letters, digests, keys
from shared.digests import HOUR_MS, MINUTE_MS
from shared.errors import Incomplete, SettingsError, SourceError, SourceUnreachable
from shared.messages import DeadLetter, GroupRef, LogEvent
from shared.remembered import digest
from shared.settings.load import Loaded
from shared.settings.model import Settings
from tests.standins.cloudwatch import CloudWatch
from tests.standins.cloudwatch_contents import Paging
from tests.unit.fetcher.at_work import (
    ACCOUNT,
    REGION,
    AtWork,
    a_reader,
    a_source,
    emptied,
    events,
    read,
    trouble_commits,
)

GROUP = GroupRef(account_id=ACCOUNT, region=REGION, log_group="/app")
KEY = keys.group_key(GROUP)


class Clock:
    """The time of stand-in and reader; the audit goes by the real one, at which this begins, in the middle of a minute."""

    def __init__(self) -> None:
        self.now_ms = int(time.time() * 1000) // MINUTE_MS * MINUTE_MS - MINUTE_MS // 2

    def __call__(self) -> int:
        return self.now_ms


@pytest.fixture(scope="module")
def server() -> Iterator[CloudWatch]:
    with CloudWatch() as server:
        yield server


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def aws(server: CloudWatch, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> CloudWatch:
    aws = emptied(server, monkeypatch)
    aws.now_ms = clock
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH", "http://127.0.0.1:1")
    return aws


def put(aws: CloudWatch, clock: Clock, count: int, *, age_ms: int, step_ms: int = 1, **options: Any) -> list[LogEvent]:
    """Let events happen `age_ms` ago, and each arrive a second later if not said otherwise."""
    first_ms = clock.now_ms - age_ms
    times = [first_ms + n * step_ms for n in range(count)]
    stream = options.pop("stream", "s")
    ids = [
        aws.put(REGION, "/app", stream, [(ms, "text")], **({"ingestion_ms": ms + 1000} | options))[0] for ms in times
    ]
    return [LogEvent(event_id=one, log_stream=stream, timestamp_ms=ms) for one, ms in zip(ids, times, strict=True)]


class Audits:
    """Runs the audit of /app, of the last hours; what it says is in the members."""

    def __init__(self, aws: CloudWatch, redis_url: str, capsys: pytest.CaptureFixture[str]) -> None:
        self.fault = ""
        self._aws, self._url, self._capsys = aws, redis_url, capsys

    def text(self, *, as_json: bool = False, **changes: Any) -> str:
        """Return what it prints; whether it is complete is in `fault`."""
        source = a_source(self._aws, "/app", **changes.pop("source_changes", {}))
        loaded = Loaded(Settings(redis_url=self._url, sources=(source,)), {}, None)
        asked = Asked(**({"group": "/app", "begin": "5h", "end": "0s"} | changes))
        self.fault = ""
        self._capsys.readouterr()
        try:
            audit(loaded, Path("/nonexistent"), asked, as_json=as_json)
        except Incomplete as incomplete:
            self.fault = str(incomplete)
        return self._capsys.readouterr().out

    def __call__(self, **changes: Any) -> dict[str, Any]:
        """Return the JSON object."""
        answer: dict[str, Any] = json.loads(self.text(as_json=True, **changes))
        assert bool(self.fault) != answer["complete"]
        return answer


@pytest.fixture
def audits(aws: CloudWatch, redis_url: str, client: redis.Redis, capsys: pytest.CaptureFixture[str]) -> Audits:
    return Audits(aws, redis_url, capsys)


def tamper(client: redis.Redis, event: LogEvent, times: int) -> None:
    """Make the digest of an event's minute that of `times` events like it more."""
    minute = event.timestamp_ms // MINUTE_MS
    name = keys.digest(KEY, minute // 60)
    client.hincrby(name, str(minute % 60), times)
    client.hincrby(name, f"{minute % 60}:sum", times * digests.hashed(digest(event)))


def forget(client: redis.Redis, event: LogEvent) -> None:
    """Take an event out of the digest and the remembered ids, as if it had never been read."""
    tamper(client, event, -1)
    packed = digest(event).to_bytes(8, "little")
    fields: Any = client.hgetall(keys.seen(KEY))
    for name, value in fields.items():
        client.hset(keys.seen(KEY), name, value.replace(packed, b""))


def ids(difference: dict[str, Any]) -> list[str]:
    return [event["event_id"] for event in difference["events"]]


def numbers(answer: dict[str, Any]) -> list[int]:
    names = ("at_aws", "fetched", "missing", "fetched_twice", "not_yet_read", "no_longer_at_aws")
    return [answer[name] for name in names]


@pytest.mark.parametrize(
    "paging",
    [Paging(), Paging(page_events=97, overlap=5, empty_pages=2), Paging(page_events=50, trailing_token=True)],
    ids=["few pages", "overlapping", "a last empty page"],
)
def test_what_was_fetched_once_is_complete(
    aws: CloudWatch, client: redis.Redis, clock: Clock, audits: Audits, paging: Paging
) -> None:
    """Of old hours and of the last minutes, over many streams, and read again at every poll."""
    aws.paging = paging
    for stream in "abc":
        put(aws, clock, 300, age_ms=3 * HOUR_MS, step_ms=30_000, stream=stream)
    put(aws, clock, 100, age_ms=5 * MINUTE_MS)
    reader = a_reader(aws, client)
    for _ in range(3):
        read(reader)
        clock.now_ms += 5_000
    answer = audits()

    assert [1000, 1000, 0, 0, 0, 0] == numbers(answer)
    assert [[], "", []] == [answer["differences"], audits.fault, answer["not_audited"]]
    assert 298 <= answer["minutes_compared"] <= 301
    assert answer["books"]["duplicates"] > 100


@pytest.mark.parametrize("trouble", ["lost", "answer lost", "superseded"])
def test_a_reader_that_fails_between_pages_leaves_nothing_out(
    aws: CloudWatch, client: redis.Redis, clock: Clock, audits: Audits, trouble: Any
) -> None:
    """While it is half-way nothing is judged; another one goes on, and all is there once."""
    aws.paging = Paging(page_events=40)
    put(aws, clock, 200, age_ms=2 * HOUR_MS, step_ms=20_000)
    a_reader(aws, client).poll(2, lambda: True)
    half = audits()
    own = redis.Redis.from_url(audits._url)
    trouble_commits(own, deque(["none", trouble, trouble]))
    broken = a_reader(aws, own)
    for _ in range(5):
        try:
            read(broken)
        except redis.RedisError:
            continue
    own.close()
    answer = audits()

    assert [0, {"at_aws": 200, "fetched": 80}] == [half["minutes_compared"], half["above_watermark"]]
    assert [200, 200, 0, 0, 0, 0] == numbers(answer)
    assert answer["complete"]


def test_one_event_that_was_never_fetched_is_named(
    aws: CloudWatch, client: redis.Redis, clock: Clock, audits: Audits
) -> None:
    """Long after its id is forgotten: what the sum lacks is its hash."""
    put_before = put(aws, clock, 500, age_ms=2 * HOUR_MS, step_ms=5)
    read(a_reader(aws, client))
    tamper(client, put_before[123], -1)
    answer = audits()
    (difference,) = answer["differences"]

    assert [500, 499, 1, 0, 0, 0] == numbers(answer)
    assert ["digest", [put_before[123].event_id], 0] == [difference["named_by"], ids(difference), difference["more"]]
    assert "s" == difference["events"][0]["log_stream"]
    assert audits.fault == "group /app: never fetched: at least 1"


def test_of_several_that_were_never_fetched_all_of_their_minute_are_listed(
    aws: CloudWatch, client: redis.Redis, clock: Clock, audits: Audits
) -> None:
    """Their ids are forgotten, and it says so; the other minutes are not listed."""
    made = put(aws, clock, 100, age_ms=2 * HOUR_MS // MINUTE_MS * MINUTE_MS + MINUTE_MS // 2)
    put(aws, clock, 100, age_ms=3 * HOUR_MS, stream="other")
    read(a_reader(aws, client))
    for event in made[10:13]:
        tamper(client, event, -1)
    (difference,) = audits()["differences"]

    assert [3, "none: every event of the minute is listed"] == [difference["missing"], difference["named_by"]]
    assert {event.event_id for event in made} == set(ids(difference))
    assert "their ids are no longer remembered: these are all events of the minute" in audits.text()


def test_recent_events_that_were_never_fetched_are_named_by_the_remembered_ids(
    aws: CloudWatch, client: redis.Redis, clock: Clock, audits: Audits
) -> None:
    """However many of a minute."""
    made = put(aws, clock, 100, age_ms=5 * MINUTE_MS)
    read(a_reader(aws, client))
    for event in made[40:45]:
        forget(client, event)
    answer = audits()
    (difference,) = answer["differences"]

    assert [100, 95, 5, 0, 0, 0] == numbers(answer)
    assert ["remembered ids", sorted(one.event_id for one in made[40:45])] == [
        difference["named_by"],
        sorted(ids(difference)),
    ]


def test_a_whole_page_that_was_dropped_is_found(
    aws: CloudWatch, client: redis.Redis, clock: Clock, audits: Audits, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fetcher that moves its checkpoint past events that it never queued."""
    aws.paging = Paging(page_events=50)
    put(aws, clock, 200, age_ms=2 * HOUR_MS, step_ms=20_000)
    reader = a_reader(aws, client)
    page = reader._api.page
    calls = 0

    def dropping(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        answer = page(*arguments)
        return msgspec.structs.replace(answer, events=[]) if calls == 2 else answer

    monkeypatch.setattr(reader._api, "page", dropping)
    read(reader)
    answer = audits()

    assert 150 == len(events(client))
    assert [200, 150, 50, 0, 0, 0] == numbers(answer)
    assert 50 == sum(difference["missing"] for difference in answer["differences"])


def test_an_event_that_was_counted_twice_is_named(
    aws: CloudWatch, client: redis.Redis, clock: Clock, audits: Audits
) -> None:
    """The sum has its hash twice: it is not one that is gone from AWS."""
    made = put(aws, clock, 50, age_ms=2 * HOUR_MS)
    read(a_reader(aws, client))
    tamper(client, made[7], 1)
    answer = audits()

    assert [50, 51, 0, 1, 0, 0] == numbers(answer)
    assert [made[7].event_id] == ids(answer["differences"][0])
    assert audits.fault == "group /app: fetched twice: 1"


def test_all_of_a_minute_that_was_counted_twice_is_named(
    aws: CloudWatch, client: redis.Redis, clock: Clock, audits: Audits
) -> None:
    """As by a page that was committed once more."""
    made = put(aws, clock, 50, age_ms=2 * HOUR_MS // MINUTE_MS * MINUTE_MS + MINUTE_MS // 2)
    read(a_reader(aws, client))
    for event in made:
        tamper(client, event, 1)

    assert [50, 100, 0, 50, 0, 0] == numbers(audits())


@pytest.mark.parametrize("age_ms", [3 * MINUTE_MS, 2 * HOUR_MS], ids=["of the last minutes", "long past"])
def test_late_events_are_to_come_until_they_are_read(
    aws: CloudWatch, client: redis.Redis, clock: Clock, audits: Audits, age_ms: int
) -> None:
    """They arrived after the read: nothing is missing. The tail brings the one, a deep sweep the other."""
    put(aws, clock, 100, age_ms=age_ms)
    deep: dict[str, Any] = {"sweep_interval": 60_000}
    reader = a_reader(aws, client, **deep)
    read(reader)
    put(aws, clock, 20, age_ms=age_ms, stream="late", ingestion_ms=clock.now_ms + 1000)
    before = audits()
    clock.now_ms += 25_000
    read(reader)
    between = audits()
    clock.now_ms += 3 * MINUTE_MS
    read(a_reader(aws, client, **deep))
    after = audits(end="0s")

    assert [120, 100, 0, 0, 20, 0] == numbers(before)
    assert before["complete"]
    assert between["complete"]
    assert [120, 120, 0, 0, 0, 0] == numbers(after)


def test_one_missing_among_late_ones_is_told_from_them(
    aws: CloudWatch, client: redis.Redis, clock: Clock, audits: Audits
) -> None:
    """Both are at AWS and not among ours; the time of arrival tells."""
    made = put(aws, clock, 100, age_ms=2 * HOUR_MS)
    read(a_reader(aws, client))
    put(aws, clock, 20, age_ms=2 * HOUR_MS, stream="late", ingestion_ms=clock.now_ms + 1000)
    tamper(client, made[3], -1)
    answer = audits()

    assert [120, 99, 1, 0, 20, 0] == numbers(answer)
    assert [made[3].event_id] == ids(answer["differences"][0])


def test_what_is_gone_from_aws_is_no_difference_of_ours(
    aws: CloudWatch, client: redis.Redis, clock: Clock, audits: Audits
) -> None:
    """A stream was deleted after it was read."""
    put(aws, clock, 100, age_ms=2 * HOUR_MS)
    put(aws, clock, 30, age_ms=2 * HOUR_MS, stream="gone")
    read(a_reader(aws, client))
    aws.groups.get(ACCOUNT, REGION, "/app").remove_stream("gone")
    answer = audits()

    assert [100, 130, 0, 0, 0, 30] == numbers(answer)
    assert answer["complete"]
    assert "gone       30 events were fetched and are no longer at AWS" in audits.text()


def test_hours_older_than_the_window_are_unknown_and_not_different(
    aws: CloudWatch, client: redis.Redis, clock: Clock, audits: Audits
) -> None:
    """Their digests are gone, or were never kept."""
    put(aws, clock, 100, age_ms=4 * HOUR_MS)
    put(aws, clock, 10, age_ms=20 * MINUTE_MS)
    reader = a_reader(aws, client)
    reader._state._digests = digests.Keeper(client, KEY, HOUR_MS)
    read(reader)
    answer = audits()
    old = audits(end="3h")

    assert answer["complete"]
    assert [10, 10, 0, 0, 0, 0] == numbers(answer)
    assert ["digests are kept for 1h: see limits.audit_window"] == [one["why"] for one in answer["not_audited"]]
    assert not old["complete"]
    assert [0, 0] == [old["minutes_compared"], old["api_calls"]]
    assert audits.fault == "group /app: nothing of the range could be compared"


def test_what_was_read_before_digests_were_kept_is_unknown(
    aws: CloudWatch, client: redis.Redis, clock: Clock, audits: Audits
) -> None:
    """As after an update."""
    put(aws, clock, 100, age_ms=2 * HOUR_MS)
    reader = a_reader(aws, client)
    read(reader)
    client.delete(keys.DIGESTS, *client.keys(keys.digest(KEY, "*")))
    never = audits()
    put(aws, clock, 10, age_ms=0)
    clock.now_ms += 10_000
    read(a_reader(aws, client))
    answer = audits()

    assert ["no digests are kept of this group so far"] == [one["why"] for one in never["not_audited"]]
    assert [0, []] == [answer["missing"], answer["differences"]]
    assert "earlier events were fetched before they were kept" in answer["not_audited"][0]["why"]
    assert not answer["complete"]


def test_events_before_the_start_of_reading_are_not_asked_for(
    aws: CloudWatch, client: redis.Redis, clock: Clock, audits: Audits
) -> None:
    """only_logs_after: in the middle of a minute as well."""
    put(aws, clock, 120, age_ms=2 * HOUR_MS, step_ms=1000)
    read(a_reader(aws, client, start_ms=clock.now_ms - 2 * HOUR_MS + 60_000))
    answer = audits()

    assert [60, 60, 0, 0, 0, 0] == numbers(answer)
    assert ["before the beginning of what is read: see only_logs_after"] == [
        one["why"] for one in answer["not_audited"]
    ]


def test_events_that_left_the_books_are_missing(
    aws: CloudWatch, client: redis.Redis, clock: Clock, audits: Audits
) -> None:
    """All were fetched, but a batch is nowhere: the second half of the proof."""
    put(aws, clock, 100, age_ms=2 * HOUR_MS)
    read(a_reader(aws, client))
    queued = audits()
    client.delete(keys.facts("raw"))
    answer = audits()

    assert [True, 100, 100, 0] == [
        queued["complete"],
        *(queued["books"][n] for n in ("in_flight", "queued", "unaccounted")),
    ]
    assert 100 == answer["books"]["unaccounted"]
    assert audits.fault == "group /app: difference in the books: 100"


def test_dead_letters_of_the_range_are_counted(
    aws: CloudWatch, client: redis.Redis, clock: Clock, audits: Audits
) -> None:
    """By the timestamp of the event; a payload without one stands beside."""
    put(aws, clock, 3, age_ms=2 * HOUR_MS)
    read(a_reader(aws, client))
    other = msgspec.structs.replace(GROUP, region="us-east-1")
    with client.pipeline() as pipe:
        for number, (group, age_h) in enumerate([(GROUP, 2), (GROUP, 4), (GROUP, 30), (other, 2)]):
            event = LogEvent(event_id="e", log_stream="s", timestamp_ms=clock.now_ms - age_h * HOUR_MS)
            dead_letters.add(pipe, str(number), DeadLetter(reason="r", at_ms=1, group=group, event=event))
        dead_letters.add(pipe, "p", DeadLetter(reason="r", at_ms=1, group=GROUP, payload=b"?", events=7))
        pipe.execute()

    assert {"of_the_range": 2, "without_timestamp": 7} == audits()["dead_letters"]


def test_aws_that_is_busy_is_waited_for(
    aws: CloudWatch, client: redis.Redis, clock: Clock, audits: Audits, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fetcher goes before: an audit has time."""
    put(aws, clock, 10, age_ms=2 * HOUR_MS)
    read(a_reader(aws, client))
    waited: list[float] = []
    monkeypatch.setattr("services.operator.audit.reading.sleep", waited.append)
    aws.fail("FilterLogEvents", "ThrottlingException", times=2)

    assert audits()["complete"]
    assert [1, 2] == waited


def test_aws_that_is_away_or_refuses_ends_it_with_one_line(
    aws: CloudWatch, client: redis.Redis, clock: Clock, audits: Audits, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is proven, and it says why."""
    put(aws, clock, 10, age_ms=2 * HOUR_MS)
    read(a_reader(aws, client))
    client.hset(keys.GROUPS, KEY, msgspec.json.encode(books.GroupState(group=GROUP, source="s")))
    monkeypatch.setattr("services.operator.audit.reading.sleep", lambda _: None)
    with pytest.raises(SourceUnreachable) as away:
        audits(source_changes={"endpoint_url": "http://127.0.0.1:1"})
    aws.fail("FilterLogEvents", "AccessDeniedException")
    with pytest.raises(SourceError) as denied:
        audits()

    assert [4, 4] == [away.value.exit_code, denied.value.exit_code]
    assert f"allow logs:FilterLogEvents on arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/app:* in" in str(denied.value)
    assert "\n" not in str(away.value) + str(denied.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"begin": "soon"}, "--from 'soon': a start time is "),
        ({"begin": "1h", "end": "2h"}, "the range ends before it begins"),
        ({"begin": "2099-01-01", "end": "2099-01-02"}, "it is still to come"),
        ({"group": "/other"}, "no source of the settings reads it"),
        ({"region": "us-east-1"}, "--group /app --region us-east-1: no source of the settings reads it"),
        ({"source": "x"}, "--source x: there is none of this name, only s"),
        ({"source_changes": {"regions": (REGION, "us-east-1")}}, "choose one with --region"),
        ({"source_changes": {"log_groups": ("/ap*",)}, "group": "/apx"}, "there is no log group of this name"),
    ],
)
def test_a_mistake_is_said_in_one_line(aws: CloudWatch, audits: Audits, changes: dict[str, Any], said: str) -> None:
    """Before anything is read."""
    aws.create_group(REGION, "/app")
    with pytest.raises(SettingsError) as caught:
        audits(**changes)

    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_of_two_regions_the_one_that_was_read_is_meant(
    aws: CloudWatch, client: redis.Redis, clock: Clock, audits: Audits
) -> None:
    """A source of many regions names its groups for all of them."""
    put(aws, clock, 10, age_ms=2 * HOUR_MS)
    read(a_reader(aws, client))
    client.hset(keys.GROUPS, KEY, msgspec.json.encode(books.GroupState(group=GROUP, source="s")))

    assert REGION == audits(source_changes={"regions": ("us-east-1", REGION)})["region"]


def test_names_from_aws_reach_no_terminal_as_commands(
    aws: CloudWatch, client: redis.Redis, clock: Clock, audits: Audits
) -> None:
    """A stream may be named by whoever writes logs."""
    made = put(aws, clock, 10, age_ms=2 * HOUR_MS, stream="a\x1b[2J")
    read(a_reader(aws, client))
    tamper(client, made[0], -1)
    shown = audits.text()

    assert "a\\x1b[2J" in shown
    assert "\x1b" not in shown


LINKED = "222222222222"
LINKED_ARN = f"arn:aws:logs:{REGION}:{LINKED}:log-group:/app"


@pytest.mark.parametrize("options", [{"filter_pattern": "keep"}, {"log_stream_prefix": "web"}, {"unmask": True}])
def test_an_audit_reads_with_the_options_of_the_source(
    aws: CloudWatch, client: redis.Redis, clock: Clock, audits: Audits, options: dict[str, Any]
) -> None:
    """What AWS was told to leave out was never read, and must not be found missing; nor masked text for another."""
    ms = clock.now_ms - 2 * HOUR_MS
    aws.masked["/app"] = "4111"
    for stream, text in (("web-1", "keep 4111"), ("db", "drop"), ("web-2", "keep"), ("db", "keep")):
        aws.put(REGION, "/app", stream, [(ms, text)], ingestion_ms=ms)
    try:
        with AtWork(client, a_source(aws, "/app", **options), once=True):
            pass
        answer = audits(source_changes=options)
    finally:
        aws.masked.clear()
    wanted = {"filterPattern": "keep", "logStreamNamePrefix": "web", "unmask": True}
    (chosen,) = [name for name in wanted if any(name in call.parameters for call in aws.calls)]
    calls = [call.parameters for call in aws.calls if call.operation == "FilterLogEvents"]

    assert answer["complete"]
    assert {wanted[chosen]} == {call.get(chosen) for call in calls}


def test_a_group_of_a_linked_account_is_audited_by_its_arn(
    aws: CloudWatch, client: redis.Redis, clock: Clock, audits: Audits
) -> None:
    """Where several accounts have a group of one name, one has to be chosen; before the first read too."""
    ms = clock.now_ms - 2 * HOUR_MS
    aws.link(ACCOUNT, LINKED)
    for account in (ACCOUNT, LINKED):
        aws.put(REGION, "/app", "s", [(ms, account)], ingestion_ms=ms, account=account)
    both = {"log_groups": ("/app", f"arn:aws:logs:{REGION}:*:log-group:/app")}
    linked = {"log_groups": (f"arn:aws:logs:{REGION}:{LINKED}:log-group:/a*",)}
    with pytest.raises(SettingsError, match="several accounts have it: give its ARN, arn:aws:logs:"):
        audits(source_changes=both)
    assert not audits(source_changes=linked)["complete"]  # nothing was fetched so far
    with AtWork(client, a_source(aws, **both), once=True):
        pass
    aws.calls.clear()
    answer = audits(group=LINKED_ARN, source_changes=both)

    assert answer["complete"]
    assert {LINKED_ARN} == {call.parameters.get("logGroupIdentifier") for call in aws.calls}
    assert "others are read here" in answer["incoming_log_events"]["unknown"]
    with pytest.raises(SettingsError, match="several accounts have it"):
        audits(source_changes=both)
    for wrong in ("arn:aws:s3:::x", LINKED_ARN.replace(LINKED, "*")):
        with pytest.raises(SettingsError, match="--group arn"):
            audits(group=wrong, source_changes=both)
