"""`cwpipe backfill` on a real Valkey: what it takes from a request, what it refuses, and what an audit says afterwards."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis

from services.operator.audit import command as audit
from services.operator.backfill import command as backfill
from shared import backfills, books, digests, keys
from shared.errors import SettingsError
from shared.messages import Backfill
from shared.settings.load import Loaded
from shared.settings.model import Settings
from tests.standins.cloudwatch import CloudWatch
from tests.unit.fetcher.at_work import REGION, a_reader, a_source, checkpoint, emptied, read
from tests.unit.fetcher.backfilling import GROUP, KEY, a_backfiller, read_all

HOUR_MS = 3_600_000
NOWHERE = Path("/nonexistent")


@pytest.fixture(scope="module")
def server() -> Iterator[CloudWatch]:
    with CloudWatch() as server:
        yield server


@pytest.fixture
def aws(server: CloudWatch, monkeypatch: pytest.MonkeyPatch) -> CloudWatch:
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDWATCH", "http://127.0.0.1:1")
    return emptied(server, monkeypatch)


class Desk:
    """Where an operator asks for the past of /app, whose tail began `start_ms`."""

    def __init__(
        self, aws: CloudWatch, client: redis.Redis, redis_url: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.now_ms = int(time.time() * 1000)
        self.start_ms = self.now_ms - 2 * HOUR_MS
        self._aws, self._client, self._capsys = aws, client, capsys
        sources = (a_source(aws, "/app"), a_source(aws, "/app", "/b", name="other"))
        self._loaded = Loaded(Settings(redis_url=redis_url, sources=sources), {}, None)
        for age_ms in (5 * HOUR_MS, 2 * HOUR_MS + 10_000, HOUR_MS):
            times = [self.now_ms - age_ms + n for n in range(20)]
            aws.put(REGION, "/app", "s", [(ms, f"{ms}") for ms in times], ingestion_ms=self.now_ms - 20 * 60_000)
        read(a_reader(aws, client, start_ms=self.start_ms))
        self.say()

    def say(self, **changes: Any) -> None:
        """Have a fetcher tell of the group."""
        state = books.GroupState(group=GROUP, source="s", read_ms=self.now_ms)
        client = self._client
        client.hset(keys.GROUPS, KEY, msgspec.json.encode(msgspec.structs.replace(state, **changes)))

    def ask(self, begin: str = "6h", end: str = "0s", *, again: bool = False, **options: str) -> str:
        """Return what the command says."""
        asked = backfill.Asked(**({"group": "/app", "begin": begin, "end": end} | options))
        backfill.ask(self._loaded, NOWHERE, asked, again=again)
        return self._capsys.readouterr().out

    def refusal(self, begin: str = "6h", end: str = "0s", **options: str) -> str:
        """Return the one line by which a request is refused."""
        with pytest.raises(SettingsError) as refused:
            self.ask(begin, end, again=False, **options)
        assert 2 == refused.value.exit_code
        (line,) = refused.value.faults
        return line

    def listed(self) -> list[dict[str, Any]]:
        self._capsys.readouterr()  # what readers logged
        backfill.show_list(self._loaded, NOWHERE, as_json=True)
        found: list[dict[str, Any]] = json.loads(self._capsys.readouterr().out)
        return found

    def cancel(self, name: str) -> str:
        backfill.cancel(self._loaded, NOWHERE, name)
        return self._capsys.readouterr().out

    def audit(self) -> dict[str, Any]:
        asked = audit.Asked(group="/app", begin="6h", end="0s")
        self._capsys.readouterr()
        audit.audit(self._loaded, NOWHERE, asked, as_json=True)
        found: dict[str, Any] = json.loads(self._capsys.readouterr().out)
        return found


@pytest.fixture
def desk(aws: CloudWatch, client: redis.Redis, redis_url: str, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(aws, client, redis_url, capsys)


def parts(client: redis.Redis) -> list[tuple[int, int]]:
    one: Backfill = backfills.read(client, KEY).state.requests[-1]
    return [(part.from_ms, part.to_ms) for part in one.parts]


def test_a_request_is_clipped_at_the_start_of_the_tail_and_an_audit_proves_all(
    desk: Desk, aws: CloudWatch, client: redis.Redis
) -> None:
    """Before, an audit knows nothing of that time; afterwards it compares it."""
    before = desk.audit()
    said = desk.ask()
    ((_, end_ms),) = parts(client)
    read_all(a_backfiller(aws, client))
    after = desk.audit()

    assert desk.start_ms - 1 == end_ms
    assert "the tail began there, it delivered this, or will: `cwpipe audit` proves it" in said
    assert (20, 60) == (before["at_aws"], after["at_aws"])
    assert [True, True] == [before["complete"], after["complete"]]
    assert (before["minutes_compared"] + 200) < after["minutes_compared"]


def test_the_start_that_an_older_release_noted_with_the_digests_will_do(
    desk: Desk, aws: CloudWatch, client: redis.Redis
) -> None:
    """It moves when a backfill is done; what is known of the tail does not."""
    older = msgspec.structs.replace(checkpoint(client, KEY), start_ms=None)
    client.set(keys.checkpoint(KEY), msgspec.json.encode(older))
    desk.ask()
    read_all(a_backfiller(aws, client))
    mark = digests.read_mark(client, KEY)
    said = desk.ask("10h")

    assert mark is not None
    assert mark.from_ms < desk.start_ms
    assert "a backfill delivered this before" in said
    assert backfills.read(client, KEY).state.start_ms == desk.start_ms


def test_where_the_start_of_the_tail_is_not_known_nothing_is_read(desk: Desk, client: redis.Redis) -> None:
    """It might be delivered twice: better to say so."""
    older = msgspec.structs.replace(checkpoint(client, KEY), start_ms=None)
    client.set(keys.checkpoint(KEY), msgspec.json.encode(older))
    client.delete(keys.DIGESTS)

    assert "a release that did not note where it began, so a backfill might deliver events twice" in desk.refusal()
    assert not client.exists(keys.backfills(KEY))


def test_what_nobody_would_read_is_refused(desk: Desk, aws: CloudWatch, client: redis.Redis) -> None:
    """Else the request would wait for ever."""
    aws.create_group(REGION, "/b")

    assert "--group /b: no fetcher has read it yet: start `cwpipe run`" in desk.refusal(group="/b")
    assert "--source other: source s reads it" in desk.refusal(source="other")
    assert "--region us-west-2: no source of the settings reads it" in desk.refusal(region="us-west-2")
    desk.say(gone=True)
    assert "it is gone" in desk.refusal()
    desk.say()
    client.delete(keys.checkpoint(KEY))
    assert "nothing of it was read yet" in desk.refusal()
    assert not client.exists(keys.backfills(KEY))


@pytest.mark.parametrize(
    ("begin", "end", "said"),
    [
        ("1h", "1h", "the range ends before it begins"),
        ("2999-01-01", "1h", "--from '2999-01-01': it is still to come"),
        ("1h", "soon", "--to 'soon': a start time is a date"),
    ],
)
def test_a_range_that_makes_no_sense_is_refused(desk: Desk, begin: str, end: str, said: str) -> None:
    """With the option at fault."""
    assert said in desk.refusal(begin, end)


def test_a_second_request_reads_what_the_first_does_not(desk: Desk, aws: CloudWatch, client: redis.Redis) -> None:
    """Whether the first has ended or not; cancelled, it leaves the rest to others."""
    desk.ask("4h", "3h")
    ((begin_ms, end_ms),) = parts(client)
    said = desk.ask("6h")
    assert "a backfill that has not ended reads this" in said
    assert begin_ms - 1 == parts(client)[0][1]
    assert end_ms + 1 == parts(client)[1][0]
    for one in desk.listed():
        desk.cancel(one["id"])
    assert ["cancelled", "cancelled"] == [one["state"] for one in desk.listed()]
    desk.ask("6h")
    read_all(a_backfiller(aws, client))

    assert 1 == len(parts(client))
    assert ["done", 40, 100.0] == [desk.listed()[0][key] for key in ("state", "events", "percent")]
    assert "none: nothing is left to be read" in desk.ask("5h")
    assert "ONCE MORE" in desk.ask("5h", again=True)


def test_what_is_remembered_is_bounded(
    desk: Desk, aws: CloudWatch, client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of requests that ended the newest are listed; what they covered is not forgotten, nor does it grow for ever."""
    monkeypatch.setattr(backfill, "MAX_ENDED", 3)
    monkeypatch.setattr(backfill, "MAX_RANGES", 8)
    monkeypatch.setattr(backfill, "MAX_WAITING", 2)
    for number in range(7):
        desk.ask(f"{20 - 2 * number}h", f"{19 - 2 * number}h")
        read_all(a_backfiller(aws, client))

    assert 4 == len(desk.listed())
    assert 7 == len(backfills.read(client, KEY).state.covered)
    desk.ask("30h", "29h")
    assert "too many separate ranges" in desk.refusal("40h", "39h")
    read_all(a_backfiller(aws, client))
    assert "too many separate ranges" in desk.refusal("40h", "39h")
