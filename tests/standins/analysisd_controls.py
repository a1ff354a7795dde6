"""What can be ordered of a stand-in of analysisd, in the test's process or in one of its own."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Any, Self

import msgspec

from tests.standins.analysisd_messages import Fate
from tests.standins.analysisd_reply import Tree
from tests.standins.analysisd_setup import Answers, Place, StatsSocket
from tests.standins.analysisd_summary import Summary

_FILE_LOG = "/var/log/syslog"


class Controls(ABC):
    """Each method returns when it is done. Throttles, stalls, agents and the like outlive a restart."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @abstractmethod
    def _order(self, name: str, **arguments: Any) -> Any:
        """Have `Daemon.order` do it."""

    @abstractmethod
    def close(self) -> None:
        """End everything. The socket files stay, as they do behind the daemon."""

    # Lives

    def start(self, started_at: int | None = None, load_seconds: float = 0.0) -> None:
        """Start the daemon, if there is none.

        Its datagram socket is there at once; reading, the stats socket and `uptime` come when the rules are loaded.
        `started_at` is what `uptime` says. The daemon has whole seconds: started twice within one it would say the
        same twice, which does not happen here unless it is asked for.
        """
        self._order("start", started_at=started_at, load_seconds=load_seconds)

    def kill(self) -> None:
        """Let the daemon die: what it had in memory and what it had not read is lost. SIGTERM does no less to it."""
        self._order("kill")

    def restart(self, started_at: int | None = None, load_seconds: float = 0.0) -> None:
        """Kill and start."""
        self._order("restart", started_at=started_at, load_seconds=load_seconds)

    # Reading

    def stop_reading(self) -> None:
        """Read no datagram: the kernel's queue fills. Everything else goes on."""
        self._order("stop_reading")

    def read_again(self) -> None:
        """End `stop_reading`."""
        self._order("read_again")

    def freeze(self) -> None:
        """Do nothing at all, as on SIGSTOP or while the rules are loaded anew: no getstats either."""
        self._order("freeze")

    def thaw(self) -> None:
        """End `freeze`."""
        self._order("thaw")

    # Speed

    def throttle(self, *, decoders: float | None = None, rules: float | None = None) -> None:
        """Let the decoders of the queue `others`, and the rules, do so many events a second; None: all they can."""
        self._order("throttle", decoders=decoders, rules=rules)

    def stall(self, *, decoders: bool = True, rules: bool = True) -> None:
        """Let threads do nothing, each with an event in hand, while the reader reads on."""
        self._order("stall", decoders=decoders, rules=rules)

    def go_on(self) -> None:
        """End every stall."""
        self.stall(decoders=False, rules=False)

    def dawdle(self, place: Place, one_in: int, *, seconds: float = 0.05, overtaken_by: int = 300) -> None:
        """Let a thread keep one in so many events in hand, for so long or until so many overtook it; 0: none.

        This is what makes the order change.
        """
        self._order("dawdle", place=place, one_in=one_in, seconds=seconds, overtaken_by=overtaken_by)

    def limit_eps(self, maximum: int, timeframe: int = 10) -> None:
        """Let decoders do maximum * timeframe events in any timeframe seconds; 0: no limit. It starts with all of them."""
        self._order("limit_eps", maximum=maximum, timeframe=timeframe)

    def write_alerts(self, one_in: int, per_second: float | None = None) -> None:
        """Let one in so many events alert, and so many alerts be written a second: a full queue holds up the rules."""
        self._order("write_alerts", one_in=one_in, per_second=per_second)

    def write_archives(self, *, archive: bool = True, per_second: float | None = None) -> None:
        """Archive every event, so many a second: what finds the queue full is missing there, and counted nowhere."""
        self._order("write_archives", archive=archive, per_second=per_second)

    # Agents

    def background(
        self,
        per_second: float,
        location: str = _FILE_LOG,
        *,
        queue: str = "others",
        fate: Fate | None = None,
        message_bytes: int = 200,
    ) -> None:
        """Add agents that send all the time: they share queues and counters with us, not the kernel's queue.

        The queues `syscheck`, `syscollector`, `dbsync` and `upgrade` count as received and end in their decoders,
        unless `fate` says otherwise.
        """
        self._order(
            "background",
            per_second=per_second,
            location=location,
            queue=queue,
            fate=fate,
            message_bytes=message_bytes,
        )

    def burst(
        self,
        events: int,
        location: str = _FILE_LOG,
        *,
        queue: str = "others",
        fate: Fate | None = None,
        message_bytes: int = 200,
    ) -> None:
        """Let agents send so many events at once."""
        self._order("burst", events=events, location=location, queue=queue, fate=fate, message_bytes=message_bytes)

    def end_background(self) -> None:
        """Silence all agents."""
        self._order("end_background")

    # The stats socket

    def answer_stats(self, how: Answers, seconds: float = 0.0) -> None:
        """Answer getstats: `well`; `late`, or late with a `stale` state; `never`; `cut`, `half`, `garbage`, `error`.

        While one client waits, or sends half a request, no other is heard, as the daemon has one thread for them all.
        """
        self._order("answer_stats", how=how, seconds=seconds)

    def stats_socket(self, state: StatsSocket) -> None:
        """Have the stats socket `open`, there but `refused`, or `removed`."""
        self._order("stats_socket", state=state)

    # Looking

    def stats(self) -> Tree:
        """Return what getstats would answer now in `data`; {} while there is no daemon."""
        found: Tree = self._order("stats")
        return found

    def summary(self) -> Summary:
        """Return what became of everything."""
        return msgspec.convert(self._order("summary"), Summary)


#: What a process of its own can be told.
ORDERS = frozenset(name for name in vars(Controls) if not name.startswith("_")) - {"close", "go_on"}
