"""Permits for calls to AWS: one bucket for each account, region and operation, shared through Redis by all who call.

A bucket fills at AWS's published quota times `limits.quota_share`, by Redis's clock. It holds little, half of the rest of the
quota or two calls, so that hardly more go out in any one second than AWS allows in each. What is asked for with low priority
is given only while the bucket stays half full; a tenth of what passes is put aside for it, so that it goes on, slowly, where
the rest would take all.

When AWS throttles although we stay below, somebody else uses the quota: the rate is halved, at most once a second, and grows
back over minutes. Permits are fetched a few at a time; those that are not used within a second are void.

While Redis is away, permits come from a bucket of this process, of its share of the rate.
"""

import threading
from collections.abc import Callable
from time import monotonic

import redis
import structlog

from shared import keys
from shared.aws.quotas import quota

#: Permits in hand are good for so long: used later, they would come on top of what the bucket holds by then.
STOCK_SECONDS = 1.0
#: At most so many seconds' worth of permits is fetched at once.
CHUNK_SECONDS = 0.25
#: Redis is asked again so long after it was away.
AWAY_SECONDS = 2.0
#: Nobody waits longer than this before asking again, as others give permits back.
LONGEST_WAIT_SECONDS = 2.0
#: A bucket that nobody uses is forgotten after so long, and full again.
IDLE_SECONDS = 3600

_BUCKET = """
local key, op = KEYS[1], ARGV[1]
local rate, burst, number = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local held = redis.call('HMGET', key, 'tokens', 'at', 'factor', 'slowed', 'passed', 'aside', 'asked')
local tokens, at = tonumber(held[1]) or burst, tonumber(held[2]) or now
local factor, slowed = tonumber(held[3]) or 1, tonumber(held[4]) or 0
local passed, aside, asked = tonumber(held[5]) or 0, tonumber(held[6]) or 0, tonumber(held[7]) or 0
local elapsed = math.max(0, now - at)
factor = math.min(1, factor + elapsed * 0.01)
tokens = math.min(burst, tokens + elapsed * rate * factor)
local granted = 0
if op == 'slow' then
  if now - slowed >= 1 or now < slowed then
    factor, slowed = math.max(0.1, factor / 2), now
  end
  tokens = math.min(tokens, 0)
elseif op == 'low' then
  asked = now
  if aside >= 1 then
    aside, granted = aside - 1, 1
  elseif tokens - 1 >= burst / 2 then
    tokens, granted = tokens - 1, 1
  end
else
  granted = math.max(0, math.min(number, math.floor(tokens)))
  tokens, passed = tokens - granted, passed + granted
  if passed >= 9 then
    passed = passed % 9
    if now - asked < 60 and aside < 3 then
      tokens, aside = tokens - 1, aside + 1
    end
  end
end
redis.call('HSET', key, 'tokens', tostring(tokens), 'at', string.format('%.6f', now), 'factor', tostring(factor),
  'slowed', string.format('%.6f', slowed), 'passed', passed, 'aside', aside, 'asked', string.format('%.6f', asked))
redis.call('EXPIRE', key, ARGV[5])
return {granted, math.ceil(math.max(0, (1 - tokens) / (rate * factor)) * 1000), math.floor(factor * 1000)}
"""

log = structlog.get_logger()


class Limiter:
    """All buckets that this process takes from. Safe between threads; blocks on Redis for one short answer."""

    def __init__(
        self,
        client: redis.Redis,
        share: float,
        stop: threading.Event | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.stop = stop or threading.Event()
        """Ends every waiting for a permit."""
        self.members: Callable[[], int] = lambda: 1
        """Says how many processes share the buckets, as far as is known: each has its part of the rate while Redis is away."""
        self._share = share
        self._clock = clock
        self._script = client.register_script(_BUCKET)
        self._lanes: dict[tuple[str, str, str], Lane] = {}
        self._lock = threading.Lock()
        self._away_until = 0.0

    def lane(self, account: str, region: str, operation: str) -> "Lane":
        """Return the way to one bucket, always the same object for the same names."""
        with self._lock:
            found = self._lanes.get((account, region, operation))
            if found is None:
                published = quota(operation, region)
                key = keys.permits(f"{account}:{region}:{operation}")
                found = Lane(self, key, published, self._share, self._clock)
                self._lanes[account, region, operation] = found
            return found

    def ask(self, key: str, operation: str, rate: float, burst: float, number: int) -> tuple[int, float, float] | None:
        """Return permits granted, seconds until the next, and the slowing in force (1: none); None: Redis is away."""
        if self._clock() < self._away_until:
            return None
        try:
            granted, wait_ms, factor = self._script(keys=[key], args=[operation, rate, burst, number, IDLE_SECONDS])
        except redis.RedisError as error:
            if not self._away_until:
                log.warning("Redis gives no permits for calls, going on with a share of the quota", error=str(error))
            self._away_until = self._clock() + AWAY_SECONDS
            return None
        self._away_until = 0.0
        return int(granted), int(wait_ms) / 1000, int(factor) / 1000


class Lane:
    """One bucket, as this process sees it: permits in hand, and how long to wait for more. Safe between threads."""

    def __init__(
        self, limiter: Limiter, key: str, published: float, share: float, clock: Callable[[], float] = monotonic
    ) -> None:
        self.key = key
        self._limiter = limiter
        self._is_limited = share > 0
        self._rate = published * share if share else published
        self._burst = max(2.0, (published - self._rate) / 2)
        self._clock = clock
        self._lock = threading.Lock()
        self._stock = 0
        self._stocked_at = 0.0
        self._reserved = 0
        self._taken = 0
        self._ask_at = 0.0
        self._own_tokens, self._own_at = 1.0, clock()
        self._said = 1.0

    def reserve(self, *, low_priority: bool = False) -> bool:
        """Set a permit apart for the next `enter`, if there is one now. Blocks on Redis for one short answer."""
        if not low_priority:
            return self.reserve_up_to(1) == 1
        if not self._is_limited:
            return True
        with self._lock:
            got = self._ask("low", 1)
            self._reserved += got
            return got > 0

    def release(self) -> None:
        """Take back a permit that was reserved and is not needed."""
        with self._lock:
            if self._reserved:
                self._reserved -= 1
                if not self._in_stock():
                    self._stocked_at = self._clock()
                self._stock += 1

    def seconds_to_wait(self) -> float:
        """Return in how many seconds it is worth to ask for a permit; 0: now."""
        with self._lock:
            if not self._is_limited or self._in_stock() > 0:
                return 0.0
            return max(0.0, self._ask_at - self._clock())

    def reserve_up_to(self, wanted: int) -> int:
        """Set up to `wanted` permits apart; return how many there were. Blocks on Redis for one short answer."""
        if not self._is_limited:
            return wanted
        with self._lock:
            if self._in_stock() < wanted:
                self._refill(wanted - self._stock)
            got = min(wanted, self._stock)
            self._stock -= got
            self._taken += got
            self._reserved += got
            return got

    def enter(self) -> bool:
        """Return True when a call may go out: at once where a permit was reserved. May block for long; False: stopping."""
        while True:
            with self._lock:
                if self._reserved:
                    self._reserved -= 1
                    return True
            if self.reserve():
                if not self._is_limited:
                    return True
            elif self._limiter.stop.wait(max(0.01, self.seconds_to_wait())):
                return False

    def throttled(self) -> None:
        """Slow down, and everybody else with us: AWS refused a call of this bucket."""
        if not self._is_limited:
            return
        with self._lock:
            self._stock = 0
            self._own_tokens = min(self._own_tokens, 0.0)
            self._ask("slow", 0)

    def _in_stock(self) -> int:
        """Return the permits in hand; those that were not used in time are void."""
        if self._clock() - self._stocked_at > STOCK_SECONDS:
            self._stock = 0
        return self._stock

    def _refill(self, wanted: int) -> int:
        """Fetch what is wanted now and a little more where a lot was used lately; return how many came."""
        if self._clock() < self._ask_at:
            return 0
        chunk = max(2, round(self._rate * CHUNK_SECONDS))
        got = self._ask("take", min(chunk, max(wanted, self._taken)))
        self._taken = 0
        self._stock, self._stocked_at = self._stock + got, self._clock()
        return got

    def _ask(self, operation: str, number: int) -> int:
        answer = self._limiter.ask(self.key, operation, self._rate, self._burst, number)
        if answer is None:
            return self._own(number) if operation == "take" else 0
        granted, wait_seconds, factor = answer
        self._say(factor)
        if operation == "take":
            self._ask_at = self._clock() + (0.0 if granted else min(wait_seconds, LONGEST_WAIT_SECONDS))
        return granted

    def _own(self, wanted: int) -> int:
        """Take from the bucket of this process: its share of the rate, whoever else lives."""
        now, rate = self._clock(), self._rate / max(1, self._limiter.members())
        self._own_tokens = min(1.0, self._own_tokens + (now - self._own_at) * rate)
        self._own_at = now
        if self._own_tokens < 1 or not wanted:
            self._ask_at = now + min(LONGEST_WAIT_SECONDS, (1 - self._own_tokens) / rate)
            return 0
        self._own_tokens -= 1
        return 1

    def _say(self, factor: float) -> None:
        """Say when a throttled bucket is slowed, and when that is over."""
        if factor < self._said == 1:
            log.warning("AWS throttles: somebody else uses the quota, calling less often", bucket=self.key)
        elif self._said < factor == 1:
            log.info("AWS does not throttle any more", bucket=self.key)
        self._said = factor
