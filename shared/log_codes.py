"""Every line that the programs say, listed once: its code, its level, what it means, and what to do.

A code is for machines: it stays when the wording is improved. docs/logs.md is made of this list
(`python -m shared.log_document`), and a test holds the list to the code.
"""

from typing import Literal

from msgspec import Struct

Level = Literal["debug", "info", "warning", "error"]

#: The code of what a library says.
LIBRARY = "library"
#: The code of a line that is not listed.
OTHER = "other"

_NOTHING = "Nothing."
_BUG = "Report it with the traceback. The rest goes on."


class Line(Struct, frozen=True, kw_only=True):
    """One line."""

    event: str
    """The text, as it stands in the code and in the field `event`."""
    code: str
    level: Level
    meaning: str
    action: str = _NOTHING
    counted_by: tuple[str, ...] | None = None
    """A line with the same values in these fields is said once in 30 s, then counted; None: it is said each time."""


def _line(level: Level, code: str, event: str, meaning: str, action: str = _NOTHING, by: str | None = None) -> Line:
    counted_by = None if by is None else tuple(by.split())
    return Line(event=event, code=code, level=level, meaning=meaning, action=action, counted_by=counted_by)


LINES: tuple[Line, ...] = (
    # Somebody has to do something.
    _line(
        "error",
        "source-unreadable",
        "cannot be read",
        "A group, or the search for a source's groups, cannot be read; `what` names it, `why` the cause. Said once for each "
        "cause. The others are read.",
        "What `why` says: most often an IAM permission, which `cwpipe policy` prints.",
    ),
    _line(
        "error",
        "backfill-unreadable",
        "a backfill cannot be read",
        "As `source-unreadable`, of a backfill. It is tried again.",
        "What `why` says; `cwpipe backfill list` shows it, `cancel` ends it.",
    ),
    _line(
        "error",
        "fetching-paused-dead-letters",
        "fetching pauses: dead letters fill limits.queued_bytes, replay or discard them",
        "Dead letters take half of the byte budget or more, so nothing is fetched. The fields are bytes.",
        "`cwpipe dead-letters list`, then `replay` or `discard`.",
    ),
    _line(
        "error",
        "deletion-refused",
        "log streams are not deleted",
        "delete_log_streams is on, and AWS refuses.",
        "What `why` says: the permission logs:DeleteLogStream, or turn it off.",
        "group",
    ),
    _line(
        "error",
        "deletion-crashed",
        "unexpected error, log streams are not deleted",
        "A fault of cwpipe's own while it looked for streams to delete. None was deleted by it.",
        _BUG,
        "group",
    ),
    _line(
        "error",
        "datagram-dead-letter",
        "a datagram cannot be sent and became a dead letter",
        "The kernel or an agent takes no datagram of this length. The event is kept as a dead letter.",
        "What `why` says, then `cwpipe dead-letters replay`.",
        "group why",
    ),
    _line(
        "error",
        "batch-dead-letter",
        "a batch cannot be decoded and became a dead letter",
        "What Redis holds of a batch makes no sense: written by a newer release, or spoiled. It is kept as it is.",
        "`cwpipe dead-letters show`; with a release that can read it, `replay`.",
        "group why",
    ),
    _line(
        "error",
        "fast-path-failed",
        "events cannot be shaped together",
        "A fault of cwpipe's own at some events of a batch, each of which was then shaped by itself. Nothing is lost.",
        _BUG,
        "group",
    ),
    _line(
        "error",
        "event-dead-letter",
        "an event cannot be shaped",
        "A fault of cwpipe's own at one event, which became a dead letter. The others went on.",
        "Report it with the traceback; `cwpipe dead-letters replay` after an upgrade.",
        "group",
    ),
    _line(
        "error", "unexpected", "unexpected error", "A fault of cwpipe's own in `what`. It is tried again.", _BUG, "what"
    ),
    _line(
        "error",
        "job-failed",
        "a job failed and will be tried again",
        "A fault of cwpipe's own while it worked on a batch. The batch goes to the end of its queue; nothing is lost.",
        _BUG,
        "job",
    ),
    _line(
        "error",
        "clock-wrong",
        "this host's clock is not Redis's, so jobs may be run twice: set it right",
        "The clock of this host and that of Redis differ by `seconds_ahead`.",
        "Set the clock by NTP, on both hosts.",
    ),
    _line(
        "error",
        "agent-lost-events",
        "the agent lost events, ours or its own: lower wazuh.max_events_per_second, or give it a larger buffer",
        "By its state file the agent dropped `events` since it was last looked at, some seconds before.",
        "What it says.",
    ),
    # Something waits, or was put aside.
    _line(
        "warning",
        "state-unreadable",
        "the state cannot be read",
        "`cwpipe metrics` could not read the state in Redis when it was asked, `why` says why; it answers with "
        "cwpipe_redis_up 0 meanwhile.",
        "Look after Redis.",
    ),
    _line(
        "warning",
        "receiver-waiting",
        "waiting for the receiver",
        "Nothing can be sent for `seconds` now. `reason` is a word for machines (below), `why` a sentence. Said after a "
        "second, then once a minute.",
        "What `why` says. Events are kept meanwhile; CloudWatch is the buffer behind the queues.",
    ),
    _line(
        "warning",
        "receiver-missing",
        "no receiver yet, events will wait for it",
        "At the start there was no socket to send to.",
        "Start Wazuh, or correct wazuh.queue_socket.",
    ),
    _line(
        "warning",
        "level-read",
        "no stats socket: events are confirmed when read, and what analysisd drops afterwards is not noticed",
        "The receiver offers no statistics, so less is proved: see delivery.md.",
        "Set wazuh.stats_socket to analysisd's, or live with level `read`.",
    ),
    _line(
        "warning",
        "level-agent",
        "no manager's socket but an agent's: events are sent at its pace, and confirmed when it has read them",
        "The receiver is an agent, which proves less: see agents.md.",
        "Run cwpipe on the manager where that is possible.",
    ),
    _line(
        "warning",
        "group-at-risk",
        "a risk to events",
        "A group is read, but events may be missed: `risk` is `late`, `expiring` or `silent`. Said once while it lasts.",
        "What `why` says.",
    ),
    _line(
        "warning",
        "fetching-paused",
        "fetching pauses until the queues drain: limits.queued_bytes is reached",
        "The byte budget is used up. The fields are bytes by queue.",
        "See what the receiver waits for. If it lasts while events are sent, add forwarders.",
    ),
    _line(
        "warning",
        "token-refused",
        "a page token is no longer taken, reading the slice again",
        "AWS took a page token back, as it does after a day. The range is read again, events are not delivered twice.",
        by="group",
    ),
    _line(
        "warning",
        "backfill-token-refused",
        "a page token of a backfill is no longer taken, going on from the newest event",
        "As `token-refused`, of a backfill.",
        by="group",
    ),
    _line(
        "warning",
        "backfill-out-of-order",
        "a backfill's pages were out of order, so events may be delivered twice",
        "AWS's pages were not in order before a token was refused.",
        "Expect repeated alerts of the range.",
    ),
    _line(
        "warning",
        "backfill-waits",
        "a backfill waits, which --once does not read: `cwpipe run` or `cwpipe fetcher` do",
        "A backfill was asked for, and `--once` reads the tail only.",
        "Run the service, or `cwpipe backfill cancel`.",
    ),
    _line(
        "warning",
        "deletion-redis-away",
        "log streams are not deleted, Redis is away",
        "Whether all was delivered cannot be known now, so nothing is deleted.",
        by="",
    ),
    _line(
        "warning",
        "redis-away",
        "Redis is away, waiting for it",
        "The fetcher cannot reach Redis. It goes on by itself.",
        "Start Redis if it does not come back.",
        "",
    ),
    _line(
        "warning",
        "redis-refuses",
        "Redis does not take it, waiting",
        "Redis is away or refuses to write; `error` is its answer. The page is read again.",
        "At an OOM, give Redis a maxmemory of twice limits.queued_bytes or more.",
        "",
    ),
    _line(
        "warning",
        "redis-away-worker",
        "Redis is away or refuses, trying again",
        "A normalizer or forwarder cannot reach Redis. It goes on by itself. Said once for each answer.",
        "Start Redis if it does not come back; mend what `error` says.",
    ),
    _line(
        "warning",
        "redis-away-division",
        "Redis is away, reading the groups as they were divided",
        "Fetchers cannot agree on their groups now, and keep them.",
        "Start Redis if it does not come back.",
    ),
    _line(
        "warning",
        "redis-away-permits",
        "Redis gives no permits for calls, going on with a share of the quota",
        "The limiter that all fetchers share cannot be asked, so each takes its part.",
        "Start Redis if it does not come back.",
    ),
    _line(
        "warning",
        "aws-throttles",
        "AWS throttles: somebody else uses the quota, calling less often",
        "`bucket` names account, region and operation. Reading is slower, nothing is missed.",
        "`cwpipe plan` shows the share; ask AWS for a higher quota, or raise poll_interval.",
    ),
    _line(
        "warning",
        "batches-requeued",
        "batches had lost their job and are queued again",
        "Redis had the batches and no job for them, as after a job was deleted by hand or memory ran out.",
        "Nothing; if it comes often, see what deletes keys of RQ.",
    ),
    _line(
        "warning",
        "source-unknown",
        "the source of a batch is not in the settings, its rules are not applied",
        "A batch was fetched under settings that this normalizer does not have.",
        "Give all roles the same file.",
        "source",
    ),
    _line(
        "warning",
        "originals-dropped",
        "the oldest kept originals made room for newer ones",
        "What was made of those oversize events was delivered; their originals are gone.",
        "Raise limits.kept_original_bytes, or export them in time.",
        "",
    ),
    _line(
        "warning",
        "role-restarted",
        "a role ended, starting it again",
        "A process of `cwpipe run` ended by itself; `exit_code` is negative for a signal.",
        "Look at what it said before. -9 is often the kernel, out of memory.",
    ),
    _line(
        "warning",
        "role-killed",
        "a role does not stop, killing it",
        "A process did not stop in time. What it worked on is done again; events in a forwarder's hands may be repeated.",
    ),
    _line(
        "warning",
        "data-dir-in-use",
        "the data directory is in use, waiting for it",
        "Another `cwpipe run` has it, or is just stopping.",
        "Stop the other, or give this one another --data-dir.",
    ),
    _line(
        "warning",
        "dashboard-refused",
        "wrong user or password",
        "Somebody asked the dashboard with wrong credentials, `times` since the last such line.",
        "See who `client` is.",
    ),
    _line(
        "warning",
        "dashboard-mute",
        "the dashboard does not answer itself",
        "The dashboard's own check of itself failed.",
        "Restart it if it lasts.",
        "",
    ),
    # What an operator may want to know.
    _line("info", "run-ready", "running", "`cwpipe run` has started its roles."),
    _line("info", "fetcher-ready", "fetcher ready", "The fetcher begins to read."),
    _line("info", "fetcher-stopped", "fetcher stopped", "The fetcher has ended in order."),
    _line("info", "worker-ready", "worker ready", "A normalizer or forwarder waits for batches."),
    _line("info", "worker-stopped", "worker stopped", "A normalizer or forwarder has ended in order."),
    _line("info", "dashboard-ready", "dashboard ready", "The dashboard answers; `password_file` holds its password."),
    _line("info", "dashboard-stopped", "dashboard stopped", "The dashboard has ended in order."),
    _line("info", "metrics-ready", "metrics ready", "`cwpipe metrics` answers at `address`."),
    _line(
        "info",
        "layout-migrated",
        "the keys in Redis were brought to a newer layout",
        "A newer release met the keys of an older one, and changed them in one transaction. docs/upgrading.md tells more.",
    ),
    _line("info", "state-readable", "the state can be read again", "The end of `state-unreadable`."),
    _line("info", "source-readable", "can be read again", "The end of `source-unreadable`."),
    _line("info", "receiver-reads", "the receiver reads again", "The end of `receiver-waiting`, after `seconds`."),
    _line(
        "info",
        "level-processed",
        "there is a stats socket now: events are confirmed when processed",
        "The best level is in force from now on.",
    ),
    _line("info", "fetching-resumed", "fetching goes on", "The end of `fetching-paused`."),
    _line("info", "aws-throttles-no-more", "AWS does not throttle any more", "The end of `aws-throttles`."),
    _line("info", "fetchers-changed", "fetchers that divide the groups", "Fetchers came or went: `fetchers` are left."),
    _line("info", "groups-divided", "groups were divided", "`moved` groups have another fetcher."),
    _line(
        "info",
        "group-gone",
        "group is gone",
        "CloudWatch has no such group any more, or its source does not name it any more.",
        "Nothing, if it was meant.",
    ),
    _line("info", "backfill-done", "backfill is done", "A backfill has read all it was asked for."),
    _line(
        "info",
        "stream-deleted",
        "log stream deleted, all of it was delivered",
        "delete_log_streams did what it is for. Each deletion is said.",
    ),
    _line(
        "info", "redis-connection-lost", "the connection to Redis broke", "The worker connects again by itself.", by=""
    ),
    # For those who look for a fault.
    _line(
        "debug", "group-read-by-another", "another fetcher read this group meanwhile", "A page is dropped for theirs."
    ),
    _line("debug", "stream-kept", "log stream kept", "Why a stream is not deleted yet."),
    _line("debug", "state-not-noted", "state not noted", "`cwpipe status` shows an older state of the group."),
    _line("debug", "fault-not-noted", "fault not noted", "`cwpipe backfill list` does not show the fault yet."),
    _line("debug", "fetcher-left-unsaid", "could not leave the other fetchers", "They notice it some seconds later."),
    _line("debug", "job-not-readable", "not readable", "The dashboard leaves out what it cannot read of a job."),
)

BY_EVENT: dict[str, Line] = {line.event: line for line in LINES}

#: What `receiver-waiting` gives as `reason`, by what it means. services/forwarder/reasons.py finds them.
REASONS: dict[str, str] = {
    "no-socket": "There is no socket where wazuh.queue_socket says, or it is none.",
    "no-permission": "This user may not send to the socket.",
    "not-running": "The socket is there, and nobody reads from it: analysisd is stopped or restarting.",
    "stalled": "The receiver does not read what it was sent.",
    "full": "The receiver's queues have no room, or it drops events already.",
    "slow": "The receiver has what it was sent, and has not processed it yet.",
    "no-statistics": "The stats socket does not answer, so nothing can be proved.",
    "in-doubt": "What was sent may be lost; it is sent again when the receiver is calm.",
    "agent-disconnected": "The agent has no connection to its manager.",
    "agent-full": "The agent has to send on what it has first.",
    "other": "Something else: see `why`.",
}
