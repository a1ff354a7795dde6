"""The search for groups, shared: of all fetchers with the same source, one asks AWS, and the others take what it found."""

from hashlib import blake2b

import msgspec
import redis
from msgspec import Struct

from shared import codec, keys
from shared.aws import discovery
from shared.aws.discovery import Discovered
from shared.aws.logs_api import FoundGroup, LogsApi
from shared.errors import PoisonMessage
from shared.settings.model import Source

#: Who looks keeps the others from it for so long, alive or not. A longer search, of ten thousand groups, is made twice.
LOOKING_SECONDS = 30


class Found(Struct, frozen=True, kw_only=True, tag_field="kind", tag="found.v1"):
    """What a search found, and when it began, by Redis's clock."""

    at_ms: int
    groups: tuple[FoundGroup, ...]
    missing: tuple[str, ...]


def digest_of(*sources: Source) -> str:
    """Return a short name of these settings: who has the same finds the same groups."""
    return blake2b(msgspec.json.encode(sources), digest_size=6).hexdigest()


class SharedSearch:
    """The searches of one source in one region. For one thread; blocks on Redis and, when it is our turn, on AWS."""

    def __init__(self, client: redis.Redis, source: Source, api: LogsApi) -> None:
        self._client = client
        self._source = source
        self._api = api
        self._name = f"{source.name}:{api.region}:{digest_of(source)}"

    def look(self, *, anew: bool) -> Discovered | None:
        """Return what was found within the last discovery_interval, or now; None: somebody else is looking.

        `anew`: look now, whatever was found before. Raises SourceError, and redis.RedisError.
        """
        now_ms = self._now_ms()
        found = None if anew else self._found()
        if found is not None and 0 <= now_ms - found.at_ms < self._source.discovery_interval:
            return Discovered(groups=found.groups, missing=found.missing)
        looking = keys.looking(self._name)
        if not self._client.set(looking, now_ms, nx=True, ex=LOOKING_SECONDS) and not anew:
            return None
        try:
            seen = discovery.look(self._source, self._api)
            if seen.denied is None:
                self._store(Found(at_ms=now_ms, groups=seen.groups, missing=seen.missing))
            return seen
        finally:
            self._client.delete(looking)

    def seconds_to_wait(self) -> float:
        """Return in how many seconds what was found is to be looked for again."""
        found = self._found()
        interval_ms = self._source.discovery_interval
        age_ms = self._now_ms() - found.at_ms if found is not None else 0
        return max(0.0, interval_ms - max(0, age_ms)) / 1000

    def _found(self) -> Found | None:
        stored = self._client.get(keys.found(self._name))
        try:
            return codec.decode(Found, stored) if isinstance(stored, bytes) else None
        except PoisonMessage:  # of another release: look for ourselves
            return None

    def _store(self, found: Found) -> None:
        seconds = max(1, 3 * self._source.discovery_interval // 1000)
        self._client.set(keys.found(self._name), codec.encode(found), ex=seconds)

    def _now_ms(self) -> int:
        seconds, microseconds = self._client.time()
        return int(seconds) * 1000 + int(microseconds) // 1000
