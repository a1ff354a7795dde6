"""What Redis holds of ours at one moment, read in two round trips."""

from dataclasses import dataclass
from typing import Any

import msgspec
import redis

from shared import keys, queues
from shared.messages import Checkpoint
from shared.queues import ENRICHED, RAW

ROUTES = (RAW, ENRICHED)


@dataclass
class State:
    """By queue or by group key, then by id where there are several."""

    payloads: dict[str, dict[str, bytes]]
    facts: dict[str, dict[str, Any]]
    outstanding: dict[str, list[str]]
    """The oldest first."""
    jobs: dict[str, set[str]]
    """Ids of the jobs queued, done or not: nothing takes them from the queue here."""
    progress: dict[str, int]
    held: dict[str, int]
    """The byte counters."""
    books: dict[str, dict[str, int]]
    checkpoints: dict[str, Checkpoint]
    seen: dict[str, int]
    dead_letters: dict[str, bytes]
    kept_originals: dict[str, bytes]
    kept_ids: list[str]


def read(client: redis.Redis) -> State:
    """Return what `client`'s database holds now."""
    names = sorted(name.decode() for name in client.keys("cwpipe:*"))  # type: ignore[union-attr]
    strings = _under(names, "payload", "progress", "checkpoint", "kept_original")
    books, seen = _under(names, "books"), _under(names, "seen")
    with client.pipeline(transaction=False) as pipe:
        for name in strings:
            pipe.get(name)
        for name in books:
            pipe.hgetall(name)
        for name in seen:
            pipe.hlen(name)
        for route in ROUTES:
            pipe.hgetall(keys.facts(route.queue))
            pipe.zrange(keys.outstanding(route.queue), 0, -1)
            pipe.lrange(f"rq:queue:{route.queue}", 0, -1)
        pipe.hgetall(keys.BYTES)
        pipe.hgetall(keys.DEAD_LETTERS)
        pipe.zrange(keys.KEPT_ORIGINALS, 0, -1)
        answers = iter(pipe.execute())
    values = {name: next(answers) for name in strings}
    rows = {_last(name): _numbers(next(answers)) for name in books}
    fields = {_last(name): next(answers) for name in seen}
    lists = {route.queue: (next(answers), next(answers), next(answers)) for route in ROUTES}
    return State(
        payloads={
            route.queue: {
                _last(name): value for name, value in values.items() if name.startswith(keys.payload(route.queue, ""))
            }
            for route in ROUTES
        },
        facts={
            queue: {batch.decode(): msgspec.json.decode(facts) for batch, facts in found[0].items()}
            for queue, found in lists.items()
        },
        outstanding={queue: _texts(found[1]) for queue, found in lists.items()},
        jobs={queue: set(_texts(found[2])) for queue, found in lists.items()},
        progress={_last(name): int(value.split()[0]) for name, value in values.items() if name.startswith(keys.progress(""))},
        books=rows,
        checkpoints={
            _last(name): msgspec.json.decode(value, type=Checkpoint)
            for name, value in values.items()
            if name.startswith(keys.checkpoint(""))
        },
        seen=fields,
        held=_numbers(next(answers)),
        dead_letters={name.decode(): value for name, value in next(answers).items()},
        kept_originals={
            _last(name): value for name, value in values.items() if name.startswith(keys.kept_original(""))
        },
        kept_ids=_texts(next(answers)),
    )


def job_of(queue: str, batch_id: str) -> str:
    """Return the id of a batch's job."""
    return queues.job_id({route.queue: route for route in ROUTES}[queue], batch_id)


def _under(names: list[str], *prefixes: str) -> list[str]:
    return [name for name in names if name.split(":")[1] in prefixes]


def _last(name: str) -> str:
    return name.rsplit(":", 1)[1]


def _texts(values: list[bytes]) -> list[str]:
    return [value.decode() for value in values]


def _numbers(row: dict[bytes, bytes]) -> dict[str, int]:
    return {name.decode(): int(value) for name, value in row.items()}
