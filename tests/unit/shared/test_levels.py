"""At which level events are confirmed, as forwarders say and `status` reads it."""

import redis

from shared import keys, levels

NOW_MS = 1_790_000_000_000


def in_force(client: redis.Redis, seconds_later: float = 0.0) -> list[tuple[str, str, float]]:
    said = levels.in_force(client, NOW_MS / 1000 + seconds_later)
    return [(level.level, level.receiver, level.seconds_ago) for level in said]


def test_the_levels_of_all_who_said_so_lately_are_in_force(client: redis.Redis) -> None:
    """Two hosts may differ; a path may hold a space."""
    levels.note(client, "agent", "/var/os sec/queue", NOW_MS - 5_000)
    levels.note(client, "processed", "/q", NOW_MS)

    assert [("agent", "/var/os sec/queue", 5.0), ("processed", "/q", 0.0)] == in_force(client)


def test_a_level_that_nobody_works_at_any_more_gives_way(client: redis.Redis) -> None:
    """As when a stats socket came: but the last one said is remembered, however long nothing is sent."""
    levels.note(client, "read", "/q", NOW_MS - 61_000)
    levels.note(client, "processed", "/q", NOW_MS)

    assert [("processed", "/q", 7_200.0)] == in_force(client, 7_200)
    assert 0 < int(client.ttl(keys.LEVELS)) <= 7 * 86_400


def test_nothing_sent_yet_is_no_level(client: redis.Redis) -> None:
    assert [] == in_force(client)
