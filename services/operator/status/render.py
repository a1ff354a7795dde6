"""The status as lines for people: what one look prints."""

from services.operator.status.collect import GroupStatus, Status
from shared import books, levels
from shared.levels import InForce
from shared.settings.quantities import format_bytes
from shared.visible import visible

#: A forwarder with something to send says its level every few seconds.
LEVEL_IS_OLD_SECONDS = 60.0


def lines(status: Status) -> list[str]:
    """Return the status as lines for people, the groups in trouble first. No name in it can command a terminal."""
    out = ["queue      batches      bytes    oldest  workers"]
    for queue in status.queues:
        age = f"{queue.oldest_seconds:,.0f} s" if queue.batches else "-"
        out.append(f"{queue.name:8} {queue.batches:>9,} {format_bytes(queue.bytes):>10} {age:>9} {queue.workers:>8}")
    out.append("")
    for group in sorted(status.groups, key=_place):
        out += _group_lines(group)
    out += ["", "books     " + ", ".join(f"{name} {getattr(status.total, name):,}" for name in books.ENTRIES)]
    out.append(balance(status))
    out.append(
        f"kept      {status.dead_letters:,} dead letters, {status.kept_originals:,} originals of oversize events; "
        f"{status.api_calls:,} calls to AWS so far"
    )
    return [visible(line) for line in out + [_level_line(level) for level in status.levels]]


def group_lines(group: GroupStatus) -> list[str]:
    """Return all that is known of one group: how far behind it is, and its books."""
    own = group.books
    out = [
        *_group_lines(group),
        f"    behind   {_behind(group)}; {own.in_flight:,} events on their way from CloudWatch to the receiver",
        "    books    " + ", ".join(f"{name} {getattr(own, name):,}" for name in books.ENTRIES),
        f"    source   {group.source}, account {group.account_id}"
        + (f", retention {group.retention_days} days" if group.retention_days else ""),
    ]
    return [visible(line) for line in out]


def _behind(group: GroupStatus) -> str:
    if group.read_seconds_ago is None:
        return "never read to its end so far"
    late = f", events arrive there up to {group.lateness_seconds:,.0f} s late" if group.lateness_seconds else ""
    return f"CloudWatch was read up to {group.read_seconds_ago:,.0f} s ago{late}"


def _level_line(said: InForce) -> str:
    unnoticed = levels.UNNOTICED.get(said.level, "")
    ago = f", {said.seconds_ago:,.0f} s ago" if said.seconds_ago > LEVEL_IS_OLD_SECONDS else ""
    return f"confirm   at level {said.level}, receiver {said.receiver}{ago}" + (f": {unnoticed}" if unnoticed else "")


def _place(group: GroupStatus) -> tuple[bool, bool, str, str]:
    return not group.fault, not (group.gone or group.risks), group.region, group.log_group


def _group_lines(group: GroupStatus) -> list[str]:
    read_ago = "never read to its end" if group.read_seconds_ago is None else f"read {group.read_seconds_ago:.0f} s ago"
    out = [
        f"{group.region}  {group.log_group}  {read_ago}, "
        f"{group.books.delivered:,} of {group.books.delivered + group.books.in_flight:,} events delivered"
    ]
    if group.fault:
        out.append(f"    cannot be read: {group.fault}")
    if group.gone:
        out.append(f"    gone: CloudWatch Logs has no such group any more, or source {group.source} does not name it")
    out += [f"    backfill {one}" for one in group.backfills]
    return out + [f"    at risk: {risk}" for risk in group.risks]


def balance(status: Status) -> str:
    """Return whether the books balance, in a line."""
    if not status.in_flight:
        return "balance   every event is accounted for"
    if any(queue.batches for queue in status.queues):
        return f"balance   {status.in_flight:,} events are on their way"
    return f"balance   DIFFERENCE: {status.in_flight:,} events are not accounted for, though nothing is queued"
