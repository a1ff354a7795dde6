"""`cwpipe backfill`: ask for a past range of a group, look at what was asked for, take it back. Fetchers read it."""

import secrets
import time
from pathlib import Path

import msgspec
import redis
from msgspec import Struct
from msgspec.structs import replace

from services.operator.audit import target as audit_target
from services.operator.backfill import report as backfill_report
from services.operator.backfill.clip import Clipped, clip
from services.operator.connection import connected
from shared import backfills, books, digests, keys
from shared.books import GroupState
from shared.errors import SettingsError
from shared.messages import Backfill, Backfills, Checkpoint, GroupRef, TimeRange
from shared.settings.load import Loaded, require_sources
from shared.settings.quantities import start_ms

#: Backfills of a group that ended and are still listed.
MAX_ENDED = 20
#: Requests of a group that wait, ranges that are remembered, and parts of one request.
MAX_WAITING = 100
MAX_RANGES = 1_000


class Asked(Struct, frozen=True, kw_only=True):
    """The options of the command, as written."""

    group: str
    begin: str
    end: str
    region: str = ""
    source: str = ""


class Listed(Struct, frozen=True, kw_only=True):
    """A backfill, and whose."""

    group: GroupRef
    source: str
    backfill: Backfill


def ask(loaded: Loaded, data_dir: Path, asked: Asked, *, again: bool) -> None:
    """Write a request and say what came of it. Blocks on Redis, and on AWS for a group that was never read.

    Raises SettingsError for a group, region, source or time that makes no sense, and Unreachable without Redis.
    """
    require_sources(loaded)
    now_ms = int(time.time() * 1000)
    wanted = _range(asked, now_ms)
    with connected(loaded, data_dir) as client:
        target = audit_target.find(client, loaded.settings.sources, asked.group, asked.region, asked.source)
        group_key = keys.group_key(target.group)
        state = _read_by(client, group_key, asked.group, target.source.name)
        tail_ms = _start_of(client, group_key, asked.group)
        backfill_id = secrets.token_hex(4)
        clipped: Clipped | None = None

        def add(found: Backfills) -> Backfills:
            nonlocal clipped
            clipped = clip(wanted, tail_ms, found, again=again)
            return _with(replace(found, start_ms=tail_ms), clipped, backfill_id, now_ms) if clipped.parts else found

        backfills.change(client, group_key, add)
    if clipped is None:
        raise AssertionError("a change that was written was made")
    print("\n".join(backfill_report.asked(state, wanted, clipped, backfill_id, again=again)))


def show_list(loaded: Loaded, data_dir: Path, *, as_json: bool) -> None:
    """Print the backfills of all groups, those that are still to be read first. Raises Unreachable without Redis."""
    with connected(loaded, data_dir) as client:
        found = listed(client)
    now_ms = int(time.time() * 1000)
    if as_json:
        rows = [backfill_report.as_json(one.group, one.source, one.backfill, now_ms) for one in found]
        print(msgspec.json.encode(rows).decode())
    elif found:
        print("\n".join(line for one in found for line in backfill_report.lines(one.group, one.backfill, now_ms)))
    else:
        print("no backfill was asked for so far")


def cancel(loaded: Loaded, data_dir: Path, backfill_id: str) -> None:
    """Have a backfill read no further; what it delivered stays delivered. Raises SettingsError, Unreachable."""
    now_ms = int(time.time() * 1000)
    with connected(loaded, data_dir) as client:
        found = [one for one in listed(client) if one.backfill.backfill_id == backfill_id]
        if not found:
            raise SettingsError([f"backfill {backfill_id}: there is none of this id: see `cwpipe backfill list`"])
        ended = Backfills()

        def end(state: Backfills) -> Backfills:
            nonlocal ended
            one = next((one for one in state.requests if one.backfill_id == backfill_id), None)
            if one is None or not backfills.is_active(one):
                raise SettingsError([f"backfill {backfill_id}: it is {one.state if one else 'done'} already"])
            ended = backfills.replaced(state, replace(one, state="cancelled", changed_ms=now_ms))
            return ended

        backfills.change(client, keys.group_key(found[0].group), end)
    one = next(one for one in ended.requests if one.backfill_id == backfill_id)
    print(f"backfill {backfill_id} is cancelled: {one.events:,} events were read, and are delivered all the same")


def listed(client: redis.Redis) -> list[Listed]:
    """Return all backfills, those that are still to be read first, then the newest. Blocks on Redis."""
    rows = {group_key: state for group_key, (state, _) in books.read(client).items()}
    found = [
        Listed(group=rows[group_key].group, source=rows[group_key].source, backfill=one)
        for group_key, state in backfills.read_states(client, rows).items()
        for one in state.requests
    ]
    return sorted(found, key=lambda one: (not backfills.is_active(one.backfill), -one.backfill.asked_ms))


def _range(asked: Asked, now_ms: int) -> TimeRange:
    """Return the range, `to` itself excluded."""
    times, faults = [], []
    for option, text in (("from", asked.begin), ("to", asked.end)):
        try:
            times.append(start_ms(text, now_ms))
        except ValueError as error:
            faults.append(f"--{option} {text!r}: {error}")
            continue
        if times[-1] > now_ms:
            faults.append(f"--{option} {text!r}: it is still to come")
    if faults:
        raise SettingsError(faults)
    from_ms, to_ms = times
    if from_ms >= to_ms:
        raise SettingsError([f"--from {asked.begin!r} --to {asked.end!r}: the range ends before it begins"])
    return TimeRange(from_ms=from_ms, to_ms=to_ms - 1)


def _read_by(client: redis.Redis, group_key: str, log_group: str, source: str) -> GroupState:
    """Return the state of a group that a fetcher reads for `source`."""
    state = next((state for key, (state, _) in books.read(client).items() if key == group_key), None)
    if state is None:
        raise SettingsError([f"--group {log_group}: no fetcher has read it yet: start `cwpipe run`, then ask again"])
    if state.gone:
        raise SettingsError([f"--group {log_group}: it is gone, or no source names it any more: nobody would read it"])
    if state.source != source:
        raise SettingsError(
            [f"--group {log_group} --source {source}: source {state.source} reads it: leave --source out"]
        )
    return state


def _start_of(client: redis.Redis, group_key: str, log_group: str) -> int:
    """Return where the tail of the group began: everything from there on is its to deliver."""
    stored = client.get(keys.checkpoint(group_key))
    if not isinstance(stored, bytes):
        raise SettingsError([f"--group {log_group}: nothing of it was read yet, so where its tail begins is not known"])
    start = msgspec.json.decode(stored, type=Checkpoint).start_ms
    if start is None:
        start = backfills.read(client, group_key).state.start_ms
    if start is not None:
        return start
    mark = digests.read_mark(client, group_key)
    if mark is not None and mark.from_start:  # before any backfill, which may move the mark
        return mark.from_ms
    why = "its first read was by a release that did not note where it began, so a backfill might deliver events twice"
    raise SettingsError([f"--group {log_group}: {why}"])


def _with(state: Backfills, clipped: Clipped, backfill_id: str, now_ms: int) -> Backfills:
    waiting = [one for one in state.requests if backfills.is_active(one)]
    if len(waiting) >= MAX_WAITING:
        raise SettingsError([f"{MAX_WAITING} backfills of this group are waiting: cancel one, or wait"])
    if len(state.covered) + len(clipped.parts) + sum(len(one.parts) for one in waiting) > MAX_RANGES:
        raise SettingsError(["too many separate ranges of this group are remembered: ask for one that closes the gaps"])
    ended = [one for one in state.requests if not backfills.is_active(one)][-MAX_ENDED:]
    kept = {one.backfill_id for one in [*waiting, *ended]}
    one = Backfill(backfill_id=backfill_id, parts=clipped.parts, asked_ms=now_ms)
    return replace(state, requests=(*(one for one in state.requests if one.backfill_id in kept), one))
