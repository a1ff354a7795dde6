"""What befalls Redis and the way to it, each at a site of its own: what is done, and what is asserted of it."""

import os
import resource
import shutil
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import redis

from shared import keys
from tests.torture.proxy import Proxy
from tests.torture.services import Service
from tests.torture.site import Site
from tests.torture.stages import Separate
from tests.torture.verdict import WINDOW
from tests.torture.workplace import workplace

GROUPS = 4
#: Where Redis forgot, nobody can say how many windows were in doubt.
ANY = 1_000


def redis_goes_back_to_an_older_state() -> None:
    """What it forgot is read again: events come twice, none is lost, and the books are those of what it remembers."""
    with _site() as site:
        older = site.directory / "older"
        server, data = _server(site), site.directory / "aof"
        _end(site, server, signal.SIGTERM)
        shutil.copytree(data, older)
        server.release()
        _put_everywhere(site, 500)
        site.wait_until_all_is_done()
        _put_everywhere(site, 500)
        site.pass_time(1.0)
        _end(site, server, signal.SIGKILL)
        shutil.rmtree(data)
        shutil.copytree(older, data)
        server.release()
        _put_everywhere(site, 100)

        site.wait_until_all_is_done()
        verdict = site.judge(site.puts, most_doubts=ANY)
        assert [] == [fault for fault in verdict.faults if "repeats" not in fault]
        assert verdict.repeated >= 500 * GROUPS


def redis_goes_back_behind_a_batch_that_a_forwarder_has_in_hand() -> None:
    """Other events come to the same place in the books then; whoever holds the first batch must not end the second."""
    with _site() as site:
        older = site.directory / "older"
        server, data = _server(site), site.directory / "aof"
        _end(site, next(service for service in site.stage.services if service.name == "forwarder-2"), signal.SIGTERM)
        _end(site, server, signal.SIGTERM)
        shutil.copytree(data, older)
        site.analysisd.freeze()
        site.put_some(0, 20)
        server.release()
        site.wait(lambda: _has_enriched(site), "a batch for the forwarder")
        site.pass_time(1.5)
        forwarder = site.stage.send("forwarder-1", signal.SIGSTOP)
        assert forwarder is not None
        _end(site, server, signal.SIGKILL)
        shutil.rmtree(data)
        shutil.copytree(older, data)
        site.put_some(0, 20)
        server.release()
        site.wait(lambda: _has_enriched(site), "another batch in its place")
        site.analysisd.thaw()
        os.kill(forwarder.pid, signal.SIGCONT)

        site.wait_until_all_is_done()
        verdict = site.judge(site.puts, most_doubts=ANY)
        assert [] == [fault for fault in verdict.faults if "repeats" not in fault]


def the_network_holds_everything_back_for_5_s() -> None:
    """Shorter than a client waits for an answer."""
    _held_back(5.0)


def the_network_holds_everything_back_for_20_s() -> None:
    """Longer: what is on its way arrives all the same, when its sender has long given it up."""
    _held_back(20.0)


def connections_are_cut_in_a_reply() -> None:
    """Whether the transaction was carried out is not known to who asked for it: only looking again can tell."""
    with _behind_a_proxy() as (site, proxy):
        for _ in range(12):
            _put_everywhere(site, 100)
            proxy.cuts += 3
            site.pass_time(0.5)
        site.wait(lambda: proxy.was_cut >= 30, "thirty replies cut")
        proxy.cuts = 0

        site.wait_until_all_is_done()
        assert [] == site.judge(site.puts, most_doubts=proxy.was_cut).faults


def the_disk_is_full_under_redis() -> None:
    """Writes are refused, roles wait; with room again everything flows, and nothing came of it but the wait."""
    with _site() as site:
        server = site.stage.process(site.stage.server)
        assert server is not None
        # A file that may not grow behaves as on a full disk, and needs no disk of its own.
        unlimited = resource.prlimit(server.pid, resource.RLIMIT_FSIZE)
        largest = max(path.stat().st_size for path in (site.directory / "aof").rglob("*"))
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (largest + 20_000, unlimited[1]))
        _put_everywhere(site, 500)
        site.wait(lambda: _refuses(site), "writes are refused")
        starts = {service.name: service.starts for service in site.stage.services}
        site.pass_time(5.0)
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, unlimited)
        _put_everywhere(site, 100)

        site.wait_until_all_is_done()
        verdict = site.judge(site.puts, most_doubts=4)
        assert [] == verdict.faults
        assert WINDOW * 2 >= verdict.repeated
        assert starts == {service.name: service.starts for service in site.stage.services}


ACCIDENTS = (
    redis_goes_back_to_an_older_state,
    redis_goes_back_behind_a_batch_that_a_forwarder_has_in_hand,
    the_network_holds_everything_back_for_5_s,
    the_network_holds_everything_back_for_20_s,
    connections_are_cut_in_a_reply,
    the_disk_is_full_under_redis,
)


def _held_back(seconds: float) -> None:
    with _behind_a_proxy() as (site, proxy):
        _put_everywhere(site, 500)
        site.pass_time(0.7)
        proxy.hold(seconds)
        _put_everywhere(site, 500)
        site.pass_time(seconds)
        _put_everywhere(site, 100)

        site.wait_until_all_is_done()
        assert [] == site.judge(site.puts, most_doubts=4).faults


@contextmanager
def _site(through: str = "", port: int = 0) -> Iterator[Site]:
    """Have everything running, and some events delivered."""
    with (
        workplace("redis") as directory,
        Site(directory, Separate, GROUPS, through=through, port=port) as site,
    ):
        _put_everywhere(site, 100)
        site.wait_until_all_is_done()
        yield site


@contextmanager
def _behind_a_proxy() -> Iterator[tuple[Site, Proxy]]:
    """Have a site whose roles see Redis over a network that can be made to misbehave."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    with Proxy(port) as proxy, _site(f"redis://127.0.0.1:{proxy.port}/0", port) as site:
        yield site, proxy


def _put_everywhere(site: Site, count: int) -> None:
    for group in range(GROUPS):
        site.put_some(group, count)


def _server(site: Site) -> Service:
    return next(service for service in site.stage.services if service.name == site.stage.server)


def _end(site: Site, server: Service, signum: signal.Signals) -> None:
    """End the server, and have it not started again before it is released."""
    server.hold_back(1e9)
    server.send(signum)
    site.wait(lambda: server.process is None, "the server has ended")


def _has_enriched(site: Site) -> bool:
    client = site.stage.connect()
    try:
        return any(client.keys(keys.payload("enriched", "*")))
    except redis.ConnectionError:
        return False
    finally:
        client.close()


def _refuses(site: Site) -> bool:
    client = site.stage.connect()
    try:
        client.set("torture", 1)
        client.delete("torture")
    except redis.ResponseError:
        return True
    finally:
        client.close()
    return False
