"""What the roles export when something is really wrong, and that the alert rules hear of it."""

import json
import math
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests import promtool
from tests.metrics_text import Series, known, scraped, total
from tests.system.host import Host, NewHost, numbered, soon
from tests.system.test_dead_letters import faulty_environment

RULES = Path(__file__).parents[2] / "deploy/prometheus/cwpipe.rules.yml"
#: In the order of their ports.
ROLES = ("fetcher", "normalizer", "forwarder", "metrics", "normalizer 2")


@dataclass
class Seen:
    """A host with a run on it, and what its roles exported."""

    host: Host
    ports: dict[str, int]
    calm: Series = field(default_factory=dict)
    faulty: Series = field(default_factory=dict)
    later: Series = field(default_factory=dict)
    without_redis: Series = field(default_factory=dict)

    def all(self) -> Series:
        """Return what all roles serve now, each series with its job and instance."""
        found: Series = {}
        for role, port in self.ports.items():
            where = {"job": f"cwpipe-{role.split()[0]}", "instance": f"127.0.0.1:{port}"}
            for (name, labels), value in scraped(port).items():
                found[name, tuple(sorted((dict(labels) | where).items()))] = value
        return found

    def now(self, role: str, name: str, **labels: str) -> float | None:
        """Return the sum of one metric of a role."""
        return total(scraped(self.ports[role]), name, **labels)


@pytest.fixture(scope="module")
def seen(new_host: NewHost) -> Iterator[Seen]:
    """A run that first does well, then has a denied group, a missing one, silence, dead letters, and nobody to send to."""
    with new_host("metrics") as host:
        base = _free_ports(len(ROLES))
        seen = Seen(host, {role: base + number for number, role in enumerate(ROLES)})
        host.configure(
            *("/app/shop", "/app/denied", "/app/quiet"),
            top=f'metrics_address = "127.0.0.1:{base}"',
            silent_after='"4s"',
        )
        for group in ("/app/shop", "/app/denied", "/app/quiet"):
            host.put(group, numbered(300, group))
        run = host.start(CWPIPE_RUN_NORMALIZERS="2", **faulty_environment(host.shell))
        for group in ("/app/shop", "/app/denied", "/app/quiet"):
            host.wait_delivered(group, numbered(300, group))
        soon(lambda: "metrics ready" in run.err, "the state served")
        soon(lambda: seen.now("metrics", "cwpipe_in_flight_events") == 0, "all confirmed")
        soon(lambda: seen.now("metrics", "cwpipe_groups", state="read") == 3, "all groups known")
        seen.calm = seen.all()
        _break(seen)
        seen.faulty = seen.all()
        waited = total(seen.faulty, "cwpipe_receiver_wait_seconds_total") or 0
        soon(lambda: (seen.now("forwarder", "cwpipe_receiver_wait_seconds_total") or 0) > waited, "waiting on")
        seen.later = seen.all()
        server = Path(host.data_dir / "redis_url").read_text().strip()
        run.process.kill()  # and with it, by the kernel, all its roles: who looks from elsewhere finds no Redis
        alone = host.shell.start(
            "metrics",
            *("--config", host.config),
            env={"CWPIPE_REDIS_URL": server, "CWPIPE_METRICS_ADDRESS": f"127.0.0.1:{_free_ports(4)}"},
        )
        soon(lambda: "metrics ready" in alone.err, "the state served without Redis")
        port = int(alone.err.partition("address=127.0.0.1:")[2].split()[0])
        soon(lambda: total(scraped(port), "cwpipe_redis_up") == 0, "Redis missed")
        seen.without_redis = scraped(port)
        yield seen
        assert 0 == alone.end().exit_code


def _break(seen: Seen) -> None:
    host = seen.host
    host.aws.fail("FilterLogEvents", "AccessDeniedException", group="/app/denied")
    host.put("/app/shop", ["unlucky 1", "unlucky 2"], age_seconds=1)
    soon(lambda: seen.now("metrics", "cwpipe_dead_letters") == 2, "two dead letters")
    soon(lambda: seen.now("metrics", "cwpipe_group_unreadable", log_group="/app/denied") == 1, "the denial")
    soon(lambda: seen.now("metrics", "cwpipe_group_silent", log_group="/app/quiet") == 1, "the silence")
    host.receiver.stop()
    host.put("/app/shop", numbered(200, "waiting"), age_seconds=1)
    soon(lambda: seen.now("forwarder", "cwpipe_receiver_wait_seconds_total"), "a wait")


def _free_ports(count: int) -> int:
    """Return the first of so many free ports in a row."""
    while True:
        with socket.socket() as first:
            first.bind(("127.0.0.1", 0))
            base = int(first.getsockname()[1])
        with ExitStack() as taken:
            try:
                for number in range(count):
                    taken.enter_context(socket.create_server(("127.0.0.1", base + number)))
            except (OSError, OverflowError):
                continue
        return base


def test_roles_export_nothing_that_is_not_listed(seen: Seen) -> None:
    """What docs/metrics.md does not tell of is nobody's to rely on."""
    exported = {name for name, _ in (*seen.calm, *seen.later) if name.startswith("cwpipe_")}

    assert set() == exported - known()


def test_what_flows_is_counted_where_it_is_done(seen: Seen) -> None:
    """In and out agree, by the counters and by the books."""
    counted = [
        total(seen.calm, name)
        for name in ("cwpipe_normalized_events_total", "cwpipe_delivered_events_total", "cwpipe_confirm_seconds_count")
    ]
    books = total(seen.calm, "cwpipe_books_events_total", entry="delivered")

    assert [900, 900] == counted[:2]
    assert counted[2]
    assert 900 == books == total(seen.calm, "cwpipe_group_events_total", entry="delivered")
    assert 300 == total(seen.calm, "cwpipe_group_events_total", entry="delivered", log_group="/app/quiet")
    assert sum(len(text) for text in numbered(300, "/app/quiet")) == total(
        seen.calm, "cwpipe_fetched_bytes_total", log_group="/app/quiet"
    )
    delivered = sum(len(each) for each in seen.host.receiver.datagrams if b"|:/app/quiet|:" in each)
    assert delivered == total(seen.calm, "cwpipe_delivered_bytes_total", log_group="/app/quiet")
    assert total(seen.calm, "cwpipe_api_calls_total", operation="FilterLogEvents")


def test_normalizers_of_one_host_have_ports_of_their_own(seen: Seen) -> None:
    """The second would find that of the first taken, and never start."""
    ports = {dict(labels)["instance"] for name, labels in seen.calm if name == "cwpipe_normalized_events_total"}

    assert {f"127.0.0.1:{seen.ports[role]}" for role in ("normalizer", "normalizer 2")} == ports


def test_the_state_is_exported_once_and_not_by_every_role(seen: Seen) -> None:
    """Else a sum over what is scraped would count it several times."""
    jobs = {dict(labels)["job"] for name, labels in seen.calm if name == "cwpipe_queue_batches"}

    assert {"cwpipe-metrics"} == jobs
    assert 2 == total(seen.calm, "cwpipe_queue_workers", queue="raw")
    assert 0 == total(seen.calm, "cwpipe_unaccounted_events")
    assert 256 * 1024**2 == total(seen.calm, "cwpipe_budget_limit_bytes")


def test_times_are_told_as_timestamps(seen: Seen) -> None:
    """Now less such a one grows by itself while nobody tells anything."""
    for name in ("cwpipe_group_read_timestamp_seconds", "cwpipe_group_unread_timestamp_seconds"):
        before, after = (total(each, name, log_group="/app/shop") for each in (seen.calm, seen.later))
        assert before is not None
        assert after is not None
        assert 1_700_000_000 < before < after
    newest = total(seen.calm, "cwpipe_group_delivered_timestamp_seconds", log_group="/app/shop")
    assert newest is not None
    assert newest > 1_700_000_000


def test_a_fault_raises_the_metric_that_is_for_it(seen: Seen) -> None:
    """Of the group that it is about, and of no other."""
    unreadable = [
        total(seen.faulty, "cwpipe_group_unreadable", log_group=f"/app/{name}") for name in ("denied", "shop")
    ]
    silent = [total(each, "cwpipe_group_silent", log_group="/app/quiet") for each in (seen.calm, seen.faulty)]

    assert [1, 0] == unreadable
    assert 1 == total(seen.faulty, "cwpipe_faulty_groups")
    assert 1 == total(seen.faulty, "cwpipe_groups", state="unreadable")
    assert 1 == silent[1]
    assert 2 == total(seen.faulty, "cwpipe_dead_letters") == total(seen.faulty, "cwpipe_books_dead_lettered_events")
    assert 0 < (total(seen.faulty, "cwpipe_dead_letter_bytes") or 0)
    waited = [total(each, "cwpipe_receiver_wait_seconds_total") or 0 for each in (seen.faulty, seen.later)]
    assert waited[0] < waited[1]


def test_without_redis_the_scrape_still_works(seen: Seen) -> None:
    """And says what is wrong; that it began without one is no reason to end."""
    ours = {name: value for (name, _), value in seen.without_redis.items() if name.startswith("cwpipe_")}

    assert {"cwpipe_redis_up": 0} == ours


@pytest.mark.parametrize(
    "alert",
    ["CwpipeGroupUnreadable", "CwpipeGroupSilent", "CwpipeDeadLetters", "CwpipeReceiverNotTaking", "CwpipeRedisDown"],
)
def test_the_alert_for_a_fault_fires_and_did_not_before(seen: Seen, tmp_path: Path, alert: str) -> None:
    """The rules as Prometheus evaluates them, on what the roles really exported."""
    (tmp_path / "rules.yml").write_text(RULES.read_text())
    faulty = seen.without_redis if alert == "CwpipeRedisDown" else seen.faulty
    later = seen.without_redis if alert == "CwpipeRedisDown" else seen.later

    assert _fires(tmp_path, alert, faulty, later)
    if alert != "CwpipeGroupSilent":  # of a test that takes long, the silence may have begun before
        assert not _fires(tmp_path, alert, seen.calm, seen.calm)


def _fires(directory: Path, alert: str, first: Series, then: Series) -> bool:
    """Say whether `alert` fires when it goes on for half an hour as from one scrape to the next, a minute a step."""
    series = []
    for (name, labels), value in then.items():
        before = first.get((name, labels))
        if not name.startswith("cwpipe_") or math.isnan(value):
            continue
        # From scrape to scrape some seconds went by; of what is counted in seconds, a minute is a minute.
        grows = name == "cwpipe_receiver_wait_seconds_total" and before is not None and value > before
        values = f"{value}+60x40" if grows else f"{value}x40"
        shown = ",".join(f"{key}={json.dumps(text)}" for key, text in labels)
        series.append({"series": f"{name}{{{shown}}}", "values": values})
    expression = f'max by (alertname) (ALERTS{{alertname="{alert}",alertstate="firing"}})'
    sample = {"labels": f'{{alertname="{alert}"}}', "value": 1}
    ask = {"expr": expression, "eval_time": "30m", "exp_samples": [sample]}
    test = {"interval": "1m", "input_series": series, "promql_expr_test": [ask]}
    written = {"rule_files": ["rules.yml"], "evaluation_interval": "1m", "tests": [test]}
    (directory / "test.yml").write_text(json.dumps(written))
    code, text = promtool.run("test", "rules", directory / "test.yml")
    assert 0 == code or "got: nil" in text, text
    return code == 0


def test_without_an_address_or_a_redis_the_command_says_what_is_missing(host: Host) -> None:
    """One line each, and the exit codes that --help documents."""
    host.configure("/app/shop")
    where = ("metrics", "--config", host.config, "--data-dir", host.data_dir)
    without_address = host.shell.run(*where)
    without_redis = host.shell.run(*where, env={"CWPIPE_METRICS_ADDRESS": "127.0.0.1:9108"})

    assert (2, "") == (without_address.exit_code, without_address.out)
    assert "cwpipe: metrics_address is not set: give it a host:port" in without_address.err
    assert (3, "") == (without_redis.exit_code, without_redis.out)
    assert f"cwpipe: nothing runs on {host.data_dir}, and no redis_url is set" in without_redis.err
