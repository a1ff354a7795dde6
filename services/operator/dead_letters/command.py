"""`cwpipe dead-letters`: look at what was not delivered, put it back, or give it up."""

import os
import sys
from collections.abc import Callable, Iterable
from itertools import islice

import redis
from msgspec import structs
from redis.client import Pipeline

from services.operator.dead_letters import text
from services.operator.dead_letters.overview import Overview
from services.operator.dead_letters.replay import Replay
from services.operator.dead_letters.selection import Entry, Selection, find, scan
from shared import dead_letters, keys
from shared.errors import Incomplete, SettingsError
from shared.visible import visible

#: Letters removed in one transaction: one may be of a megabyte.
DISCARDED_AT_ONCE = 100
#: Of what is about to go, so many are shown one by one.
SHOWN_BEFORE_DISCARD = 5


def show_list(client: redis.Redis, wanted: Selection, *, originals: bool, limit: int, as_json: bool) -> None:
    """Print how many entries there are by reason and group, and the newest `limit` of them."""
    overview = Overview(scan(client, wanted, originals=originals), limit)
    _print(overview.json_lines() if as_json else overview.lines(_called(originals=originals)))


def show(client: redis.Redis, ids: tuple[str, ...], *, as_json: bool) -> None:
    """Print the whole of each of `ids`. Raises SettingsError, with nothing printed, when one of them is not there."""
    entries = find(client, ids)
    if as_json:
        _print(text.as_json(entry) for entry in entries)
        return
    for number, entry in enumerate(entries):
        _print([""] * bool(number) + text.lines(entry))


def export(client: redis.Redis, ids: tuple[str, ...]) -> None:
    """Write the bytes of one message to standard output, and nothing else. Raises SettingsError."""
    if len(ids) != 1:
        raise SettingsError(["--raw writes the bytes of one message: name one ID"])
    (entry,) = find(client, ids)
    if sys.stdout.isatty() and visible(as_text := entry.body.decode(errors="replace"), keep="\n\t") != as_text:
        raise SettingsError([f"{entry.id} holds control characters: send --raw to a file or a pipe"])
    sys.stdout.buffer.write(entry.body)
    sys.stdout.buffer.flush()


def replay(client: redis.Redis, ids: tuple[str, ...], wanted: Selection) -> None:
    """Put letters back on their queues: those of `ids`, or where there are none those that are `wanted`.

    Raises SettingsError when there is none, Incomplete when some cannot be replayed.
    """
    done = Replay(client).run(find(client, ids, originals=False) if ids else scan(client, wanted))
    replayed = sum(done.letters.values())
    if not (replayed or done.gone or done.stay):
        raise SettingsError(["no dead letter is selected: see `cwpipe dead-letters list`"])
    queues = ", ".join(f"{count:,} on {queue}" for queue, count in sorted(done.letters.items()) if count)
    _print([f"replayed {replayed:,} dead letters of {done.events:,} events" + (f": {queues}" if queues else "")])
    if done.gone:
        _print([f"{done.gone:,} more were gone: replayed or discarded meanwhile"])
    if done.stay:
        raise Incomplete(f"{done.stay:,} dead letters cannot be replayed and stay, the last one {visible(done.why)}")


def discard(
    client: redis.Redis, ids: tuple[str, ...], wanted: Selection, *, originals: bool, agreed: Callable[[], bool]
) -> None:
    """Remove entries for good: those of `ids`, or where there are none those that are `wanted`. The books stay.

    Shows what will go first, and removes no other. Raises SettingsError when there is none.
    """
    named = find(client, ids, originals=originals) if ids else []
    overview = Overview(named or scan(client, wanted, originals=originals), SHOWN_BEFORE_DISCARD)
    what = _called(originals=originals)
    if not overview.total.entries:
        raise SettingsError([f"none of the {what} is selected: see `cwpipe dead-letters list`"])
    _print(overview.lines(what))
    if not agreed():
        _print(["nothing was discarded"])
        return
    # What has come since was not shown.
    shown = structs.replace(wanted, until_ms=overview.total.newest_ms + 1)
    discarded = _discard(client, named or scan(client, shown, originals=originals))
    _print([f"discarded {discarded:,} {what}"])


def _discard(client: redis.Redis, entries: Iterable[Entry]) -> int:
    discarded, rest = 0, iter(entries)
    while some := list(islice(rest, DISCARDED_AT_ONCE)):
        letters = {entry.name: entry.data for entry in some if not entry.is_original}
        batches = {entry.name: entry.letter.batch_id for entry in some if not entry.is_original}

        def forget(pipe: Pipeline, names: list[bytes], batches: dict[bytes, str] = batches) -> None:
            """Have nothing left of how far an undecodable batch was."""
            pipe.delete(*(keys.progress(batches[name]) for name in names))

        if letters:
            discarded += len(dead_letters.remove(client, letters, forget))
        discarded += sum(_drop(client, entry.name) for entry in some if entry.is_original)
    return discarded


def _drop(client: redis.Redis, name: bytes) -> bool:
    """Remove one kept original. False: it has made room for a newer one meanwhile."""
    original_id = name.decode(errors="replace")
    while client.exists(keys.kept_original(original_id)):
        if dead_letters.drop_original(client, original_id):
            return True
    return False


def _called(*, originals: bool) -> str:
    return "kept originals" if originals else "dead letters"


def _print(lines: Iterable[str]) -> None:
    """Print lines; a reader that has seen enough, such as `head`, is no fault."""
    try:
        for line in lines:
            print(line)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
