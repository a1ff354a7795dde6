"""Metrics: names as Prometheus wants them, and an address that cannot be served is a clear error."""

import re
import socket
from collections.abc import Iterator
from urllib.request import urlopen

import pytest
from prometheus_client import Counter, Gauge, Histogram

from shared import metrics
from shared.errors import Unreachable

Metric = Counter | Gauge | Histogram

METRICS: dict[str, Metric] = {
    name: metric for name, metric in vars(metrics).items() if isinstance(metric, Counter | Gauge | Histogram)
}

each_metric = pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS.keys())


def described(metric: Metric) -> tuple[str, str, str]:
    """Return name, kind and help as they are served, the name of a counter without `_total`."""
    family = next(iter(metric.collect()))
    return family.name, family.type, family.documentation


@each_metric
def test_a_name_says_whose_it_is_and_ends_with_its_unit(metric: Metric) -> None:
    """Dashboards of many programs share one namespace; a number without a unit is a riddle."""
    name, _, _ = described(metric)

    assert re.fullmatch(r"cwpipe_[a-z_]+", name)
    assert re.search(r"_(events|datagrams|groups|streams|seconds|bytes|calls)$", name)


@each_metric
def test_what_it_counts_is_said_in_a_sentence(metric: Metric) -> None:
    """The help text is what an operator reads beside the graph."""
    _, _, sentence = described(metric)

    assert re.fullmatch(r"[A-Z].+\.", sentence)


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


def test_what_is_counted_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Prometheus reads it."""
    started = []

    def start(port: int, host: str) -> None:
        from prometheus_client import start_http_server

        started.append(start_http_server(port, host))

    monkeypatch.setattr(metrics, "start_http_server", start)
    monkeypatch.setitem(metrics._PORT_OFFSETS, "forwarder", 0)
    metrics.EVENTS_DELIVERED.inc(0)
    metrics.serve("127.0.0.1:0", role="forwarder")
    server, thread = started[0]
    try:
        with urlopen(f"http://127.0.0.1:{server.server_port}/metrics") as answer:
            assert b"cwpipe_delivered_events_total" in answer.read()
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
