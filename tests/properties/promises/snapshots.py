"""The whole of a Redis database, to be had back later: what a server that restarts from an old file does."""

import redis

Snapshot = dict[bytes, bytes]


def take(client: redis.Redis) -> Snapshot:
    """Return every key and what it holds."""
    names = client.keys()
    with client.pipeline(transaction=False) as pipe:
        for name in names:
            pipe.dump(name)
        return dict(zip(names, pipe.execute(), strict=True))  # type: ignore[arg-type]


def restore(client: redis.Redis, snapshot: Snapshot) -> None:
    """Have the database hold `snapshot` and nothing else."""
    with client.pipeline(transaction=False) as pipe:
        pipe.flushdb()
        for name, value in snapshot.items():
            pipe.restore(name, 0, value)
        pipe.execute()
