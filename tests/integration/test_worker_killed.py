"""Workers killed at every point of a job, and a Redis killed under them: what was in hand is done within seconds.

Recovery waits for claims to run out, so all scenes are played at the same time, each in a database of its own.
"""

import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from time import monotonic
from typing import NamedTuple

import pytest

from services.supervisor.embedded import EmbeddedServer
from shared.books import Account
from tests.eventually import eventually
from tests.unit.forwarder.factories import a_raw_batch, account, an_enriched_batch, put
from tests.unit.forwarder.processes import Place, dies_at

BATCHES = 3
EVENTS = 20
#: What an operator may have to wait for after a kill, on a machine that is busy with other things too.
RECOVERED_SECONDS = 25.0
PATIENCE_SECONDS = 90.0

#: Where a worker of a role is killed, and how many of a batch's datagrams may then arrive twice.
DEATHS = {
    "taken from the queue": ("forwarder", "shared.worker:Worker.execute_job", 0),
    "claimed and not yet begun": ("forwarder", "shared.worker:Worker.prepare_job_execution", 0),
    "sent and not yet confirmed": ("forwarder", "services.forwarder.analysisd:Analysisd.confirm", EVENTS),
    "confirmed and not yet recorded": ("forwarder", "services.forwarder.forward:Forwarder._record", EVENTS),
    "acknowledged, which RQ does not know": ("forwarder", "shared.worker:Worker._finalize_success", 0),
    "shaped and not yet handed over": ("normalizer", "shared.queues:finish", 0),
    "handed over, which RQ does not know": ("normalizer", "shared.worker:Worker._finalize_success", 0),
}


class Outcome(NamedTuple):
    """What was found when everything had come to rest."""

    seconds: float
    """From the death to the last sign of work, RQ's bookkeeping included."""
    exit_code: int | None
    arrived: int
    repeated: int
    books: Account
    failed: int
    leftovers: list[bytes | str]
    held_bytes: int


def outcome(place: Place, died_at: float, exit_code: int | None) -> Outcome:
    """Return what is found now."""
    arrived = place.receiver.datagrams
    return Outcome(
        monotonic() - died_at,
        exit_code,
        len(set(arrived)),
        len(arrived) - len(set(arrived)),
        account(place.client),
        place.failed,
        place.leftovers,
        place.held_bytes(),
    )


def killed_worker(redis_url: str, directory: Path, role: str, target: str) -> Outcome:
    """Kill the first worker on a queue at `target`, and have another one go on."""
    with Place(directory, redis_url) as place:
        make = an_enriched_batch if role == "forwarder" else a_raw_batch
        for number in range(BATCHES):
            put(place.client, make(EVENTS, f"g-{number}-0"))
        victim = place.start(role, first=dies_at(target))
        exit_code = victim.wait(PATIENCE_SECONDS)
        died_at = monotonic()
        for survivor in {role, "forwarder"}:
            place.start(survivor)
        eventually(lambda: place.all_is_done, PATIENCE_SECONDS, f"recovery from {target}: see {place.log}")
        return outcome(place, died_at, exit_code)


def killed_redis(directory: Path) -> Outcome:
    """Kill Redis under two workers, one in the middle of a window and one idle, and start it again on its files."""
    server = EmbeddedServer(directory / "data")
    with Place(directory, server.__enter__()) as place:
        place.receiver.pause()
        put(place.client, an_enriched_batch(EVENTS, "g-0-0"))
        put(place.client, an_enriched_batch(EVENTS, "g-1-0"))
        workers = [place.start("forwarder"), place.start("normalizer")]
        eventually(lambda: b"started" in place.statuses().values(), PATIENCE_SECONDS, "a forwarder at work")
        eventually(lambda: place.client.exists("rq:workers:raw"), PATIENCE_SECONDS, "an idle normalizer")
        assert server._process is not None
        server._process.kill()
        server.stop()
        died_at = monotonic()
        place.receiver.resume()
        server.__enter__()
        try:
            put(place.client, a_raw_batch(EVENTS, "g-2-0"))
            eventually(lambda: place.all_is_done, PATIENCE_SECONDS, f"recovery of Redis: see {place.log}")
            seen = outcome(place, died_at, None)
            assert [None, None] == [worker.poll() for worker in workers]
            for worker in workers:
                worker.send_signal(signal.SIGTERM)
            assert [0, 0] == [worker.wait(PATIENCE_SECONDS) for worker in workers]
            return seen
        finally:
            server.stop()


@pytest.fixture(scope="module")
def scenes(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Outcome]]:
    """What came of each scene, by name."""
    plays: dict[str, Callable[[], Outcome]] = {
        name: partial(killed_worker, f"{redis_url}?db={number}", tmp_path_factory.mktemp("place"), role, target)
        for number, (name, (role, target, _)) in enumerate(DEATHS.items(), start=1)
    }
    plays["Redis"] = partial(killed_redis, tmp_path_factory.mktemp("place"))
    with ThreadPoolExecutor(len(plays)) as pool:
        running: dict[str, Future[Outcome]] = {name: pool.submit(play) for name, play in plays.items()}
        yield lambda name: running[name].result()


@pytest.mark.parametrize("death", DEATHS)
def test_a_worker_killed_anywhere_is_recovered_from_in_seconds(scenes: Callable[[str], Outcome], death: str) -> None:
    """By whoever else works on the queue: nothing lost, nothing given up, and repeats only of what was in doubt."""
    _, _, may_repeat = DEATHS[death]
    after = scenes(death)

    assert -signal.SIGKILL == after.exit_code
    assert BATCHES * EVENTS == after.arrived
    assert after.repeated <= may_repeat
    assert after.repeated <= after.books.sent_again
    assert (BATCHES * EVENTS, 0) == (after.books.delivered, after.books.in_flight)
    assert (0, [], 0) == (after.failed, after.leftovers, after.held_bytes)
    assert after.seconds < RECOVERED_SECONDS


def test_workers_outlive_a_redis_that_is_killed_and_go_on_by_themselves(scenes: Callable[[str], Outcome]) -> None:
    """Restarting every container after it would be a burden, and a restart loop until it is back worse."""
    after = scenes("Redis")

    assert 3 * EVENTS == after.arrived
    assert after.repeated <= EVENTS
    assert (3 * EVENTS, 0) == (after.books.delivered, after.books.in_flight)
    assert (0, [], 0) == (after.failed, after.leftovers, after.held_bytes)
    assert after.seconds < RECOVERED_SECONDS
