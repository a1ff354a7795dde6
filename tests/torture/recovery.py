"""How long it takes from an accident to the next confirmed delivery, by the books as they stand in Redis."""

import threading
from statistics import median
from time import monotonic

import redis

_EVERY_SECONDS = 0.05
_PATIENCE_SECONDS = 1.0


class Recovery:
    """Looks at the books all the time, on a thread of its own; `mark` notes an accident."""

    def __init__(self, redis_url: str) -> None:
        self.seconds: dict[str, list[float]] = {}
        """By kind of accident: from it to the next delivery. Accidents without one in the end are left out."""
        self._client = redis.Redis.from_url(redis_url, socket_timeout=_PATIENCE_SECONDS)
        self._open: list[tuple[str, float]] = []
        self._delivered = 0
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Recovery":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._client.close()

    def mark(self, kind: str) -> None:
        """Note an accident that happens now."""
        with self._lock:
            self._open.append((kind, monotonic()))

    def __str__(self) -> str:
        lines = [
            f"  {kind:12} {len(times):4} times: p50 {median(times):6.2f} s, max {max(times):6.2f} s"
            for kind, times in sorted(self.seconds.items())
        ]
        return "\n".join(["from an accident to the next confirmed delivery", *lines])

    def _watch(self) -> None:
        while not self._ended.wait(_EVERY_SECONDS):
            try:
                delivered = self._read()
            except redis.RedisError:
                continue
            if delivered > self._delivered:
                self._close_marks()
            self._delivered = delivered

    def _read(self) -> int:
        names = list(self._client.scan_iter("cwpipe:books:*", count=1000))
        with self._client.pipeline(transaction=False) as pipe:
            for name in names:
                pipe.hget(name, "delivered")
            return sum(int(count or 0) for count in pipe.execute())

    def _close_marks(self) -> None:
        with self._lock:
            for kind, at in self._open:
                self.seconds.setdefault(kind, []).append(monotonic() - at)
            self._open.clear()
