"""The user of Redis that the documentation shows is the one that the programs look for."""

import re
from pathlib import Path

import redis

from shared import permissions

DOCUMENT = (Path(__file__).parents[3] / "docs" / "redis.md").read_text()


def test_the_documented_line_is_the_one_that_is_looked_for() -> None:
    """Copied as it stands, it must be enough; `python -m shared.permissions` prints it."""
    assert [permissions.acl("cwpipe", "<password>")] == re.findall(
        r"^ *(ACL SETUSER cwpipe .+)$", DOCUMENT, re.MULTILINE
    )


def test_a_user_who_may_do_everything_lacks_nothing(client: redis.Redis) -> None:
    """No probe is malformed, and none is carried out."""
    assert [] == permissions.missing(client)
    assert [] == client.keys()


def test_every_command_that_is_missing_is_found(client: redis.Redis) -> None:
    """Each one alone: what hides behind another would be found out at work."""
    path = client.connection_pool.connection_kwargs["path"]
    for command in permissions.COMMANDS:
        line = permissions.acl("tried", "secret").replace(f" +{command} ", " ").removesuffix(f" +{command}")
        client.execute_command(*line.split())  # type: ignore[no-untyped-call]
        # By the older protocol: with the newer one a client says hello before anything else.
        with redis.Redis(unix_socket_path=path, username="tried", password="secret", protocol=2) as tried:
            assert [command] == permissions.missing(tried)
        client.acl_deluser("tried")
        assert [] == client.keys(), "nothing was carried out"


def test_a_pattern_of_keys_that_is_missing_is_found(client: redis.Redis) -> None:
    for pattern in permissions.KEYS:
        client.execute_command(*permissions.acl("tried", "secret").replace(f" ~{pattern}", "").split())  # type: ignore[no-untyped-call]
        path = client.connection_pool.connection_kwargs["path"]
        with redis.Redis(unix_socket_path=path, username="tried", password="secret") as tried:
            assert [pattern] == permissions.missing(tried)
        client.acl_deluser("tried")
