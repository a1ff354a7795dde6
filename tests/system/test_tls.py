"""The whole pipeline over a Redis that speaks TLS and asks for a client's certificate."""

import json
from collections import Counter
from pathlib import Path

from tests.certificates import Authority
from tests.system.host import Host, numbered
from tests.tls_front import TlsFront
from tests.valkey import Valkey


def test_everything_goes_by_tls(host: Host, tmp_path: Path) -> None:
    """Every role and command takes the files from the settings; one that did not would not be let in."""
    authority = Authority(tmp_path)
    cert, key = authority.issue("client")
    with (
        Valkey(tmp_path / "valkey") as server,
        TlsFront(server.port, *authority.issue("server", "localhost"), clients_of=authority.file) as front,
    ):
        files = f'redis_ca_bundle = "{authority.file}"\nredis_client_cert = "{cert}"\nredis_client_key = "{key}"'
        host.configure("/app/shop", top=f'redis_url = "rediss://localhost:{front.port}/0"\n{files}')
        host.put("/app/shop", numbered(500))
        done = host.run_once("--json")
        status = host.status()

    assert (0, 500) == (done.exit_code, json.loads(done.out)["delivered"]), done.text
    assert Counter(numbered(500)) == Counter(host.delivered("/app/shop"))
    assert 500 == status["total"]["delivered"]
