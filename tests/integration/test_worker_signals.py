"""SIGTERM, whatever a worker is doing: it ends by itself within seconds, with exit code 0, and nothing is lost."""

import json
import signal
import subprocess
from pathlib import Path
from time import monotonic

import redis

from services.supervisor.embedded import EmbeddedServer
from shared import keys, queues
from shared.queues import ENRICHED, RAW
from tests.eventually import eventually
from tests.unit.forwarder.factories import account, an_enriched_batch, put
from tests.unit.forwarder.processes import Place

#: Docker kills what is not gone 10 s after a SIGTERM.
STOP_SECONDS = 9.0
PATIENCE_SECONDS = 60.0
SECRET = "s3cr3t-p4ssw0rd"

#: What a stop gives the receiver to read the window in hand.
LESS_PATIENCE = "from services.forwarder import forward; forward.CONFIRM_ON_STOP_SECONDS = 0.5"


def stop(*workers: subprocess.Popen[bytes], by: signal.Signals = signal.SIGTERM) -> list[int]:
    """Signal the workers and return their exit codes; the test fails if that takes too long."""
    began = monotonic()
    for worker in workers:
        worker.send_signal(by)
    codes = [worker.wait(PATIENCE_SECONDS) for worker in workers]
    assert monotonic() - began < STOP_SECONDS
    return codes


def is_ready(place: Place, queue: str) -> bool:
    """Tell whether a worker listens on the queue."""
    return bool(place.client.exists(f"rq:workers:{queue}"))


def log_lines(place: Place) -> list[dict[str, str]]:
    """Return what the workers logged; a line that is no JSON object fails the test."""
    return [json.loads(line) for line in place.log.read_text().splitlines()]


def test_idle_workers_stop(client: redis.Redis, redis_url: str, tmp_path: Path) -> None:
    """By SIGTERM or SIGINT; and are not shown as workers any more."""
    with Place(tmp_path, redis_url) as place:
        workers = [place.start("forwarder"), place.start("normalizer")]
        eventually(lambda: is_ready(place, "enriched") and is_ready(place, "raw"), PATIENCE_SECONDS, str(place.log))

        assert (1, 1) == (queues.workers(client, RAW), queues.workers(client, ENRICHED))
        assert [0] == stop(workers[0], by=signal.SIGTERM)
        assert [0] == stop(workers[1], by=signal.SIGINT)
        assert (0, 0) == (queues.workers(client, RAW), queues.workers(client, ENRICHED))
        assert {"worker ready", "worker stopped"} == {line["event"] for line in log_lines(place)}


def test_a_forwarder_in_the_middle_of_a_batch_gives_it_back(
    client: redis.Redis, redis_url: str, tmp_path: Path
) -> None:
    """At the head of the queue, where the next forwarder goes on with it at once."""
    with Place(tmp_path, redis_url) as place:
        place.receiver.pause()
        for number in range(2):
            put(client, an_enriched_batch(20, f"g-{number}-0"))
        worker = place.start("forwarder", first=LESS_PATIENCE)
        eventually(lambda: b"started" in place.statuses().values(), PATIENCE_SECONDS, "a forwarder at work")

        assert [0] == stop(worker)
        queue = queues.open_queue(client, ENRICHED)
        assert ["enriched-g-0-0", "enriched-g-1-0"] == queue.job_ids
        assert [] == client.keys("rq:wip:*") + client.keys("*:intermediate") + client.keys("rq:failed:*")
        assert 20 >= account(client).sent_again

        place.receiver.resume()
        place.start("forwarder")
        eventually(lambda: place.all_is_done, PATIENCE_SECONDS, f"the rest: see {place.log}")
        arrived = place.receiver.datagrams

        assert 40 == len(set(arrived))
        assert len(arrived) - 40 <= account(client).sent_again
        assert (40, 0) == (account(client).delivered, account(client).in_flight)
        assert 0 == place.failed


def test_a_forwarder_that_waits_for_its_receiver_stops(client: redis.Redis, redis_url: str, tmp_path: Path) -> None:
    """It may have waited for hours."""
    with Place(tmp_path, redis_url) as place:
        place.receiver.stop()
        put(client, an_enriched_batch(20, "g-0-0"))
        worker = place.start("forwarder")
        eventually(lambda: b"started" in place.statuses().values(), PATIENCE_SECONDS, "a forwarder at work")

        assert [0] == stop(worker)
        assert ["enriched-g-0-0"] == queues.open_queue(client, ENRICHED).job_ids
        assert 0 == account(client).sent_again


def test_workers_stop_while_redis_is_away(tmp_path: Path) -> None:
    """In the order in which things are stopped by hand, Redis often goes first. The log is not flooded, and keeps the
    password."""
    server = EmbeddedServer(tmp_path / "data")
    url = server.__enter__()
    redis.Redis.from_url(url).config_set("requirepass", SECRET)
    with Place(tmp_path, url.replace("unix://", f"unix://:{SECRET}@")) as place:
        place.receiver.pause()
        put(place.client, an_enriched_batch(20, "g-0-0"))
        workers = [place.start("forwarder"), place.start("normalizer")]
        eventually(lambda: b"started" in place.statuses().values(), PATIENCE_SECONDS, "a forwarder at work")
        eventually(lambda: is_ready(place, "raw"), PATIENCE_SECONDS, "an idle normalizer")
        server.stop()
        eventually(lambda: 2 == place.log.read_text().count("Redis is away"), PATIENCE_SECONDS, str(place.log))

        assert [0, 0] == stop(*workers)
        assert len(log_lines(place)) <= 12
        assert {"info", "warning"} == {line["level"] for line in log_lines(place)}
        assert SECRET not in place.log.read_text()

    with EmbeddedServer(tmp_path / "data") as url:
        assert redis.Redis.from_url(url).exists(keys.payload("enriched", "g-0-0"))
