"""Metrics: names as Prometheus wants them, and an address that cannot be served is a clear error."""

import re
import socket
from collections.abc import Iterator
from urllib.request import urlopen

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from shared import metrics
from shared.errors import Unreachable
from shared.messages import GroupRef
from shared.metrics import Asked
from shared.metrics_document import MARKDOWN, described, renewed, tables

Metric = Counter | Gauge | Histogram | Asked

METRICS: dict[str, Metric] = {
    name: metric for name, metric in vars(metrics).items() if isinstance(metric, Counter | Gauge | Histogram | Asked)
}
#: What ends without a unit: a number of things, or a yes or no.
WITHOUT_UNIT = {"DEAD_LETTERS", "ORIGINALS", "QUEUE_WORKERS", "QUEUE_BATCHES", "REDIS_UP", "GROUP_UNREADABLE"}
WITHOUT_UNIT |= {"GROUP_SILENT", "GROUP_EXPIRING", "GROUP_LATE"}

each_metric = pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS.keys())


@pytest.fixture(autouse=True)
def _no_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test begins in a process that has met no group."""
    monkeypatch.setattr(metrics, "_named", {})


@pytest.mark.parametrize(("key", "metric"), METRICS.items(), ids=METRICS.keys())
def test_a_name_says_whose_it_is_and_ends_with_its_unit(key: str, metric: Metric) -> None:
    """Dashboards of many programs share one namespace; a number without a unit is a riddle."""
    name, _, _, _ = described(metric)
    name = name.removesuffix("_total")

    assert re.fullmatch(r"cwpipe_[a-z_]+", name)
    assert (key in WITHOUT_UNIT) != bool(
        re.search(r"_(events|datagrams|groups|streams|seconds|bytes|calls|ratio)$", name)
    )


@each_metric
def test_what_it_counts_is_said_in_a_sentence(metric: Metric) -> None:
    """The help text is what an operator reads beside the graph."""
    _, _, _, sentence = described(metric)

    assert re.fullmatch(r"[A-Z].+\.", sentence)


def test_every_metric_is_exported_by_a_role_and_no_two_have_one_name() -> None:
    """One that no role exports would be counted for nobody."""
    exported = {id(metric) for of_role in metrics.ROLES.values() for metric in of_role}

    assert exported == {id(metric) for metric in METRICS.values()}
    assert len(METRICS) == len({described(metric)[0] for metric in METRICS.values()})


def test_the_table_in_the_documents_is_not_stale() -> None:
    """`python -m shared.metrics_document` writes it anew."""
    text = MARKDOWN.read_text(encoding="utf-8")

    assert renewed(text) == text
    assert tables() in text


def test_a_process_names_so_many_groups_and_no_more() -> None:
    """An account of ten thousand groups must not fill a Prometheus with series; which are named does not change."""
    groups = [GroupRef(account_id="1", region="r", log_group=f"/app/{n}") for n in range(metrics.MAX_GROUPS + 5)]
    labels = [metrics.of_group(group) for group in groups]

    assert ("1", "r", "/app/0") == labels[0] == metrics.of_group(groups[0])
    assert metrics.MAX_GROUPS + 1 == len(set(labels))
    assert {("", "", metrics.OTHER)} == set(labels[metrics.MAX_GROUPS :])


def test_the_newest_event_delivered_never_goes_back() -> None:
    """A batch of late events says nothing of how far the group is."""
    group = GroupRef(account_id="1", region="r", log_group="/app")
    for newest_ms in (2_000, 3_500, 1_000):
        metrics.note_newest(group, newest_ms)

    assert 3.5 == metrics.NEWEST.labels("1", "r", "/app")._value.get()


@pytest.mark.parametrize(
    ("address", "expected"), [("127.0.0.1:9108", "127.0.0.1:9111"), ("[::]:65529", "[::]:65532"), ("h:65530", "")]
)
def test_more_roles_of_a_kind_have_ports_of_their_own(address: str, expected: str) -> None:
    """Where there is none left, they serve no metrics and work all the same."""
    assert expected == metrics.shifted(address, 3)


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_port_that_is_taken_is_a_clear_error(taken: int) -> None:
    """Two forwarders on one host and one configuration: say which address, for which role."""
    with pytest.raises(Unreachable, match=rf"cannot listen on 127\.0\.0\.1:{taken} for the forwarder") as raised:
        metrics.serve(f"127.0.0.1:{taken - 2}", role="forwarder")

    assert "\n" not in str(raised.value)


def test_a_host_that_is_not_ours_is_a_clear_error() -> None:
    """An address copied from another machine."""
    with pytest.raises(Unreachable, match=r"cannot listen on 203\.0\.113\.1:9108"):
        metrics.serve("203.0.113.1:9108", role="fetcher")


def test_no_address_serves_nothing() -> None:
    """The default: no port is opened that nobody asked for."""
    metrics.serve("", role="fetcher")


@pytest.mark.parametrize("role", metrics.ROLES)
def test_a_role_serves_what_it_counts_and_nothing_else(monkeypatch: pytest.MonkeyPatch, role: metrics.Role) -> None:
    """A forwarder that says 0 events were fetched is one that has to be left out of every average."""
    started = []

    def start(port: int, host: str, registry: CollectorRegistry) -> None:
        from prometheus_client import start_http_server

        started.append(start_http_server(port, host, registry))

    monkeypatch.setattr(metrics, "start_http_server", start)
    monkeypatch.setattr(metrics, "_PORT_OFFSETS", dict.fromkeys(metrics.ROLES, 0))
    metrics.serve("127.0.0.1:0", role)
    server, thread = started[0]
    try:
        with urlopen(f"http://127.0.0.1:{server.server_port}/metrics") as answer:
            names = set(re.findall(r"^# TYPE (cwpipe_\w+)", answer.read().decode(), re.M))
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

    assert {described(one)[0] for one in metrics.ROLES[role] if not isinstance(one, Asked)} == names
