"""Who may see the dashboard, and what may be done there: by route, so that one of a later rq-dashboard is closed."""

import json
from collections.abc import Callable

import pytest
import redis
from flask import Flask

from services.dashboard import routes
from services.dashboard.app import create_app
from tests.unit.dashboard import states
from tests.unit.dashboard.states import JOB
from tests.unit.dashboard.visitor import HOST, LOGGED_IN, METHODS, USER, Visitor, basic, path_of

SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture(params=[False, True], ids=["looking", "acting"])
def visitor(request: pytest.FixtureRequest, client: redis.Redis) -> Visitor:
    """Someone who looks, and someone who may act."""
    states.everything(client)
    return Visitor(client, actions=request.param)


def paths(visitor: Visitor, endpoints: frozenset[str]) -> list[str]:
    """Return a path of every route with one of these endpoints."""
    return [path_of(rule) for rule in visitor.app.url_map.iter_rules() if rule.endpoint in endpoints]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        basic(USER, "another password"),
        basic("another", "correct horse battery"),
        basic(USER, ""),
        basic("", ""),
        {"Authorization": "Basic"},
        {"Authorization": "Basic %%%"},
        {"Authorization": "Basic Y3dwaXBl"},
        {"Authorization": LOGGED_IN["Authorization"] + "A"},
        {"Authorization": LOGGED_IN["Authorization"].replace("Basic", "Bearer")},
    ],
    ids=["none", "password", "user", "empty", "nobody", "bare", "junk", "no colon", "longer", "scheme"],
)
def test_nothing_is_shown_without_the_password(visitor: Visitor, client: redis.Redis, headers: dict[str, str]) -> None:
    """No page, no static file, nothing about what there is: every path and method has the same answer."""
    before = states.contents(client)
    everywhere = [path_of(rule) for rule in visitor.app.url_map.iter_rules()] + ["/nothing", "/cwpipe", "/static/x"]

    for path in everywhere:
        for method in METHODS:
            answer = visitor.ask_with(headers | SAME_ORIGIN, path, method)
            assert (401, path) == (answer.status_code, path)
            assert answer.headers["WWW-Authenticate"].startswith('Basic realm="cwpipe')
            assert ("" if method == "HEAD" else "cwpipe: log in") == answer.text[:14]
    assert before == states.contents(client)


def test_with_the_password_there_is_something_to_see(visitor: Visitor) -> None:
    """Else the test above would show nothing."""
    assert 200 == visitor.ask("/").status_code
    assert 200 == visitor.ask_with({"Authorization": LOGGED_IN["Authorization"].replace("B", "b", 1)}, "/").status_code


def test_every_route_is_named_as_reading_or_as_an_action(visitor: Visitor) -> None:
    """One that is not stays closed; somebody should look at it then."""
    assert routes.READING | routes.ACTIONS == {rule.endpoint for rule in visitor.app.url_map.iter_rules()}


def test_a_route_that_nobody_has_named_is_closed(visitor: Visitor) -> None:
    """As a new one of rq-dashboard's would be, with actions too."""
    visitor.app.add_url_rule("/burn/<queue_name>", "rq_dashboard.burn", lambda **_: "burnt", methods=METHODS)

    for method in METHODS:
        answer = visitor.ask("/burn/enriched", method, Sec_Fetch_Site="same-origin")
        assert 403 == answer.status_code
        assert "burnt" not in answer.text


def test_a_page_that_shows_takes_no_other_method(visitor: Visitor, client: redis.Redis) -> None:
    """Its view may do more with another one, some day."""
    before = states.contents(client)
    for path in paths(visitor, routes.READING):
        assert 200 == visitor.ask(path, "HEAD").status_code
        for method in METHODS[2:]:
            assert 405 == visitor.ask(path, method, Sec_Fetch_Site="same-origin").status_code, (path, method)

    assert before == states.contents(client)


def test_no_action_is_open_unless_asked_for(client: redis.Redis) -> None:
    """What is queued is at stake: by no method, from no place."""
    visitor = Visitor(client)
    states.everything(client)
    before = states.contents(client)
    for path in paths(visitor, routes.ACTIONS):
        for method in METHODS:
            answer = visitor.ask(path, method, Sec_Fetch_Site="same-origin", Origin=f"http://{HOST}")
            assert answer.status_code in (403, 405), (path, method)
            assert method != "POST" or "actions = true" in answer.text

    assert before == states.contents(client)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "cross-site", "Origin": f"http://{HOST}"},
        {"Origin": "http://elsewhere.example"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Origin": "http://127.0.0.1:9181.elsewhere.example"},
        {"Origin": "null"},
        {"Referer": f"http://{HOST}/"},
        {"X-Requested-With": "XMLHttpRequest"},
    ],
)
def test_another_site_cannot_act(client: redis.Redis, headers: dict[str, str]) -> None:
    """The browser sends the password along with what another page has it send."""
    visitor = Visitor(client, actions=True)
    states.everything(client)
    before = states.contents(client)
    for path in paths(visitor, routes.ACTIONS):
        assert 403 == visitor.ask_with(LOGGED_IN | headers, path, "POST").status_code, path

    assert before == states.contents(client)


def test_no_action_is_a_link(client: redis.Redis) -> None:
    """rq-dashboard requeues all of a queue on a GET: an image in a mail can make one."""
    visitor = Visitor(client, actions=True)
    states.everything(client)
    before = states.contents(client)
    for path in paths(visitor, routes.ACTIONS):
        for method in set(METHODS) - {"POST"}:
            assert 405 == visitor.ask(path, method, Sec_Fetch_Site="same-origin").status_code, (path, method)

    assert before == states.contents(client)


@pytest.mark.parametrize("headers", [SAME_ORIGIN, {"Origin": f"http://{HOST}"}], ids=["site", "origin"])
@pytest.mark.parametrize(
    ("path", "done"),
    [
        (f"/job/{JOB}/delete", lambda client: not client.exists(f"rq:job:{JOB}")),
        (f"/job/{JOB}/requeue", lambda client: [JOB.encode()] == client.lrange("rq:queue:enriched", 0, -1)),
        ("/requeue/enriched", lambda client: [JOB.encode()] == client.lrange("rq:queue:enriched", 0, -1)),
        ("/queue/enriched/failed/empty", lambda client: not client.exists("rq:failed:enriched")),
        ("/queue/enriched/compact", lambda client: not client.exists("rq:queue:enriched")),
    ],
)
def test_an_action_is_done_when_it_is_asked_for(
    client: redis.Redis, path: str, done: Callable[[redis.Redis], bool], headers: dict[str, str]
) -> None:
    """From the page itself, with the password, and with actions switched on."""
    visitor = Visitor(client, actions=True)
    states.failed(client)
    answer = visitor.ask_with(LOGGED_IN | headers, path, "POST")

    assert (200, "OK") == (answer.status_code, json.loads(answer.text)["status"])
    assert done(client)


def test_a_requeued_job_is_as_it_was(client: redis.Redis) -> None:
    """Its data, facts and description too: a worker has to read it."""
    visitor = Visitor(client, actions=True)
    before = states.failed(client)
    visitor.ask(f"/job/{JOB}/requeue", "POST", Sec_Fetch_Site="same-origin")
    after = states.fetch(client)

    assert (before.args, before.func_name, before.description) == (after.args, after.func_name, after.description)
    assert before.retries_left == after.retries_left


def test_only_a_failed_job_is_requeued(client: redis.Redis) -> None:
    """One in hand would run twice at once."""
    visitor = Visitor(client, actions=True)
    states.busy(client)
    answer = visitor.ask(f"/job/{JOB}/requeue", "POST", Sec_Fetch_Site="same-origin")

    assert 409 == answer.status_code
    assert "Only a job that has failed" in answer.text


def test_buttons_are_shown_where_they_work(client: redis.Redis) -> None:
    """And hidden by the style sheet where they do not."""
    states.failed(client)
    path = f"/0/view/job/{JOB}"

    assert 'class="looks-only"' in Visitor(client).ask(path).text
    assert "delete-job-btn" not in Visitor(client).ask(path).text.partition("<script")[0]
    assert 'class="may-act"' in Visitor(client, actions=True).ask(path).text


@pytest.mark.parametrize(
    "path", ["/", "/static/css/main.css", "/nothing", "/requeue/enriched", f"/0/data/job/{JOB}.json"]
)
def test_every_answer_has_the_headers(visitor: Visitor, path: str) -> None:
    """Pages, files, refusals and errors; logged in or not."""
    for headers in ({}, LOGGED_IN):
        answer = visitor.ask_with(headers, path).headers
        assert ("DENY", "nosniff", "no-referrer") == (
            answer["X-Frame-Options"],
            answer["X-Content-Type-Options"],
            answer["Referrer-Policy"],
        )
        assert "frame-ancestors 'none'" in answer["Content-Security-Policy"]
        assert 1 == len(answer.getlist("Cache-Control"))
        assert ("no-cache" if "static" in path and headers else "no-store") == answer["Cache-Control"]


def test_two_dashboards_in_one_process_show_their_own(client: redis.Redis) -> None:
    """What is put into rq-dashboard's modules holds for all; whose Redis is asked does not."""
    apps: list[Flask] = [create_app(client, name, actions=False) for name in ("redis://one/0", "redis://two/0")]

    assert ["redis://one/0", "redis://two/0"] == [app.config["RQ_DASHBOARD_REDIS_URL"][0] for app in apps]
    assert [client, client] == [app.config["CWPIPE_CLIENT"] for app in apps]
