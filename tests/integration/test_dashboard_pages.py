"""Every page of the dashboard, found by its routes: a page of a later rq-dashboard is asked for without being named here."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis

from services.dashboard import routes
from shared import keys, store
from shared.queues import ENRICHED
from tests.unit.dashboard import states
from tests.unit.dashboard.states import BATCH, FACTS, JOB, SCRIPT
from tests.unit.dashboard.visitor import Visitor, reading_paths

State = Callable[[redis.Redis], object]


@pytest.fixture
def visitor(client: redis.Redis) -> Visitor:
    """Someone who looks at an empty database."""
    return Visitor(client)


@pytest.mark.parametrize(
    "state", [states.put, states.busy, states.failed, states.finished, states.everything, states.scripts]
)
def test_every_page_answers(visitor: Visitor, client: redis.Redis, state: State) -> None:
    """Stock rq-dashboard has no page of workers while one of them works."""
    state(client)

    assert {} == visitor.faults()


@pytest.mark.parametrize("state", [states.nothing, states.idle])
def test_every_page_answers_where_nothing_is_queued_and_the_job_is_gone(
    visitor: Visitor, client: redis.Redis, state: State
) -> None:
    """The day begins so. A job's page that was left open says that the job is gone."""
    state(client)

    assert {"/0/view/job/" + JOB: 404, f"/0/data/job/{JOB}.json": 404} == visitor.faults()
    assert "There is no such job" in visitor.ask("/0/view/job/" + JOB).text


def test_every_page_answers_over_fields_that_make_no_sense(visitor: Visitor, client: redis.Redis) -> None:
    """They cost a row, and no more: an operator needs the pages most when something is wrong."""
    states.nonsense(client)

    job_ids: list[Any] = list(client.zrange("rq:failed:enriched", 0, -1))
    odd = [job_id.decode() for job_id in job_ids if job_id != b"gone"]
    assert {} == visitor.faults(per_page="100")
    assert [{}] * len(odd) == [visitor.faults(job_id=job_id) for job_id in odd]
    rows = visitor.data("/0/data/jobs/enriched/failed/100/asc/1.json")["jobs"]
    assert set(odd) == {row["id"] for row in rows}
    assert ["forwarder-host-7-abc123"] == [row["name"] for row in visitor.data("/0/data/workers.json")["workers"]]


def test_no_pickle_is_ever_loaded(visitor: Visitor, client: redis.Redis, tmp_path: Path) -> None:
    """In data, meta and results, of jobs in every registry and in hand: all pages answer, and nothing has run."""
    job_ids = states.bombs(client, tmp_path / "crater")

    assert {} == visitor.faults(per_page="100")
    for job_id in job_ids:
        assert {} == visitor.faults(job_id=job_id)
    assert [] == list(tmp_path.iterdir())


def test_no_action_loads_a_pickle(client: redis.Redis, tmp_path: Path) -> None:
    """Requeueing and deleting read jobs too."""
    visitor = Visitor(client, actions=True)
    for job_id in states.bombs(client, tmp_path / "crater"):
        assert visitor.ask(f"/job/{job_id}/requeue", "POST", Sec_Fetch_Site="same-origin").status_code in (200, 409)
        assert 200 == visitor.ask(f"/job/{job_id}/delete", "POST", Sec_Fetch_Site="same-origin").status_code
    client.flushall()
    states.bombs(client, tmp_path / "crater")
    for registry in routes.REGISTRIES:
        path = f"/queue/enriched/{registry}/empty"
        assert 200 == visitor.ask(path, "POST", Sec_Fetch_Site="same-origin").status_code

    assert [] == list(tmp_path.iterdir())


def test_a_bomb_goes_off_where_pickle_is_loaded(tmp_path: Path) -> None:
    """Else the tests above would show nothing."""
    import pickle  # noqa: TID251

    pickle.loads(pickle.dumps(states.Bomb(tmp_path / "crater")))  # noqa: S301

    assert (tmp_path / "crater").exists()


@pytest.mark.parametrize("state", [states.busy, states.everything, states.nonsense])
def test_looking_writes_nothing(visitor: Visitor, client: redis.Redis, state: State) -> None:
    """RQ tidies up as it reads, and what it takes away may be another worker's."""
    state(client)
    before = states.contents(client)
    client.config_resetstat()
    visitor.faults()

    called = {name.removeprefix("cmdstat_") for name in client.info("commandstats")}
    writing = called & {name for name, command in client.command().items() if "write" in command["flags"]}
    assert set() == writing
    assert before == states.contents(client)


def test_no_page_inserts_text_as_it_is(visitor: Visitor, client: redis.Redis) -> None:
    """Scripts in every text there is: they reach the browser as JSON, or escaped, and are escaped where they go in."""
    states.scripts(client)
    for path in reading_paths(visitor.app):
        answer = visitor.ask(path)
        if answer.mimetype == "text/html":
            assert "<%=" not in answer.text, path
            assert SCRIPT not in answer.text, path
            assert "<img" not in answer.text, path
            assert "onload" not in answer.text or "&lt;svg onload" in answer.text, path
        elif "/data/" in path:
            assert "application/json" == answer.mimetype, path


def test_every_script_in_a_page_has_the_nonce_that_the_policy_asks_for(visitor: Visitor, client: redis.Redis) -> None:
    """Another one is not run; without it the pages stay empty."""
    states.put(client)
    for path in ("/", "/0/view/jobs", "/0/view/workers", f"/0/view/job/{JOB}"):
        answer = visitor.ask(path)
        policy = answer.headers["Content-Security-Policy"]
        nonce = policy.partition("'nonce-")[2].partition("'")[0]
        scripts = [part.partition(">")[0] for part in answer.text.split("<script")[1:]]
        own = [script for script in scripts if "src=" not in script and 'type="text/template"' not in script]
        assert [f' nonce="{nonce}"'] == own, path
        assert "'unsafe-inline'" not in policy.partition("script-src")[2].partition(";")[0]
        assert nonce not in visitor.ask(path).text


@pytest.mark.parametrize(
    "path",
    [
        "/0/view/jobs/');alert(1);('/queued/8/asc/1",
        "/0/view/jobs/enriched/unknown/8/asc/1",
        "/0/view/jobs/enriched/queued/0/asc/1",
        "/0/view/jobs/enriched/queued/201/asc/1",
        "/0/view/jobs/enriched/queued/8/up/1",
        "/0/view/jobs/enriched/queued/8/asc/0",
        "/1/view/jobs",
        "/1/data/queues.json",
        "/0/data/jobs/enriched/queued/-1/asc/1.json",
        "/0/data/jobs/enriched/queued/201/asc/1.json",
        "/0/data/jobs/enriched/queued/x/asc/1.json",
        "/0/data/jobs/enriched/queued/8/asc/99999999999999999999.json",
        "/0/data/jobs/enriched/nowhere/8/asc/1.json",
        "/0/data/jobs/%20/queued/8/asc/1.json",
        "/0/data/job/a:b.json",
        "/0/view/job/%3Cscript%3E",
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/cwpipe/static/../app.py",
        "/nothing",
    ],
)
def test_a_path_that_makes_no_sense_is_not_found(visitor: Visitor, path: str) -> None:
    """Nor shown again in the answer; and a page of jobs has 200 of them at most."""
    answer = visitor.ask(path)

    assert 404 == answer.status_code
    assert "alert" not in answer.text


@pytest.mark.parametrize("registry", ["queued", "finished"])
@pytest.mark.parametrize("order", ["asc", "dsc"])
def test_a_backlog_is_shown_page_by_page(visitor: Visitor, client: redis.Redis, registry: str, order: str) -> None:
    """Each page has its number of jobs, and all pages have every job once, in order."""
    states.thousands(client)

    seen: list[str] = []
    for page in range(1, 16):
        answer = visitor.data(f"/0/data/jobs/enriched/{registry}/200/{order}/{page}.json")
        assert 200 == len(answer["jobs"])
        assert 15 == answer["pagination"]["num_pages"]
        seen += [job["id"] for job in answer["jobs"]]
    expected = [f"enriched-g-{number}-0" for number in range(3000)]
    assert (expected if order == "asc" else expected[::-1]) == seen
    assert [] == visitor.data(f"/0/data/jobs/enriched/{registry}/200/{order}/16.json")["jobs"]


def test_the_last_page_has_what_is_left(visitor: Visitor, client: redis.Redis) -> None:
    """In both directions."""
    for number in range(5):
        states.put(client, batch_id=f"g-{number}-0")

    def shown(order: str, page: int) -> list[str]:
        rows = visitor.data(f"/0/data/jobs/enriched/queued/2/{order}/{page}.json")["jobs"]
        return [row["id"].split("-")[2] for row in rows]

    assert [["0", "1"], ["2", "3"], ["4"], []] == [shown("asc", page) for page in (1, 2, 3, 4)]
    assert [["4", "3"], ["2", "1"], ["0"], []] == [shown("dsc", page) for page in (1, 2, 3, 4)]


def test_the_first_page_has_both_queues_in_the_order_of_the_work(visitor: Visitor, client: redis.Redis) -> None:
    """On the first day too, when RQ knows none of them, and with another's queue beside them."""
    client.sadd("rq:queues", "rq:queue:another")

    assert ["raw", "enriched", "another"] == [row["name"] for row in visitor.data("/0/data/queues.json")["queues"]]


def test_a_batch_on_its_way_to_a_worker_is_counted(visitor: Visitor, client: redis.Redis) -> None:
    """RQ counts its job nowhere: neither as queued nor as started."""
    states.put(client)
    states.idle(client).dequeue_job_and_maintain_ttl(timeout=None)

    row = visitor.data("/0/data/queues.json")["queues"][1]
    assert (0, 0, 1, "7 B") == (row["count"], row["started_job_registry_count"], row["batches"], row["size"])


def test_a_jobs_page_tells_the_facts_of_its_batch(visitor: Visitor, client: redis.Redis) -> None:
    """Readable, and with what RQ does not know: whether the batch is done."""
    states.busy(client)

    details = visitor.data(f"/0/data/job/{JOB}.json")
    facts = dict(details["facts"])
    assert ("/ecs/checkout", "5,249", BATCH) == (facts["log group"], facts["events"], facts["batch"])
    assert {name.replace("_", " ") for name in FACTS} < set(facts)
    assert "not done: 7 B in Redis" == facts["state of the batch"]
    assert (ENRICHED.task, "forwarder-host-7-abc123") == (facts["task"], facts["worker"])
    assert "5249 events  /ecs/checkout" in details["description"]
    assert ["created", "enqueued", "started", "ended"] == [time[0] for time in details["times"]]
    assert "-" == details["times"][3][1]


def test_a_job_that_is_under_way_says_how_far_it_is(visitor: Visitor, client: redis.Redis) -> None:
    """A receiver that takes little at a time is seen to take it."""
    states.busy(client)
    client.set(keys.progress(BATCH), 1200)

    facts = dict(visitor.data(f"/0/data/job/{JOB}.json")["facts"])
    assert "1,200 datagrams" == facts["confirmed so far"]


def test_the_job_of_a_batch_that_is_done_says_so(visitor: Visitor, client: redis.Redis) -> None:
    """It is shown for a minute more."""
    states.finished(client)

    facts = dict(visitor.data(f"/0/data/job/{JOB}.json")["facts"])
    assert "done" == facts["state of the batch"]
    assert "interrupted" not in facts


def test_a_job_says_how_often_it_was_begun(visitor: Visitor, client: redis.Redis) -> None:
    """A batch that is begun again and again is one to look at."""
    states.put(client)
    client.hset(f"rq:job:{JOB}", mapping={"number_of_retries": 1, "retries_left": 1_000_000_000 - 3})

    facts = dict(visitor.data(f"/0/data/job/{JOB}.json")["facts"])
    assert "once: its worker was stopped" == facts["given back"]
    assert "3 times: its worker died, or the task failed" == facts["interrupted"]


def test_a_busy_worker_is_shown_with_its_job_in_words(visitor: Visitor, client: redis.Redis) -> None:
    """Not with the Python of the call."""
    states.busy(client)

    (worker,) = visitor.data("/0/data/workers.json")["workers"]
    assert ("forwarder-host-7-abc123", ["enriched"]) == (worker["name"], worker["queues"])
    assert (JOB, "5249 events") == (worker["current_job"]["job_id"], worker["current_job"]["description"][:11])


def test_a_failed_job_shows_what_went_wrong(visitor: Visitor, client: redis.Redis) -> None:
    """In the list and on its page."""
    states.failed(client)

    (row,) = visitor.data("/0/data/jobs/enriched/failed/8/asc/1.json")["jobs"]
    assert row["exc_info"].startswith("Traceback")
    assert visitor.data(f"/0/data/job/{JOB}.json")["exc_info"].startswith("Traceback")


def test_a_server_that_is_away_is_said_to_be(redis_url: str) -> None:
    """By every page that needs it, within seconds, and not as a fault of the dashboard's."""
    away = store.connect("redis://127.0.0.1:1/0")

    faults: dict[str, Any] = Visitor(away).faults()

    assert {503} == {code for path, code in faults.items()}
    assert {"/", "/0/data/workers.json", "/0/data/queues.json", f"/0/view/job/{JOB}"} < set(faults)
