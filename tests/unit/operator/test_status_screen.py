"""The screen of `status --watch`: which group comes first, what fits, and what rates are made of."""

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from services.operator.status import figures
from services.operator.status.collect import GroupStatus, QueueStatus, Status
from services.operator.status.picture import Picture, Queued, picture
from services.operator.status.rates import WINDOW_SECONDS, Meter, Rates
from services.operator.status.screen import View, screen
from services.operator.status.text import fitted, named, right
from services.operator.status.trouble import ORDER, Judged, patience, worst_first
from shared import books, keys
from shared.books import Account, GroupState
from shared.levels import InForce
from shared.messages import GroupRef
from shared.settings.model import Settings, Source

NOW_SECONDS = 1_790_000_000.0
NAMES = st.text(max_size=40)


def group(name: str, read: float | None = 3.0, **changes: Any) -> GroupStatus:
    made = GroupStatus(
        account_id="123456789012",
        region="eu-west-1",
        log_group=name,
        source="production",
        read_seconds_ago=read,
        fault="",
        books=Account(),
    )
    return msgspec.structs.replace(made, **changes)


def seen(*groups: GroupStatus, dangers: dict[str, set[str]] | None = None, waiting: int = 0, **changes: Any) -> Picture:
    total = sum((one.books for one in groups), Account())
    queues = [
        QueueStatus(name=name, batches=waiting, bytes=0, oldest_seconds=0.0, workers=1) for name in ("raw", "enriched")
    ]
    status = Status(
        queues=queues,
        groups=list(groups),
        total=total,
        in_flight=total.in_flight,
        dead_letters=0,
        kept_originals=0,
        api_calls=0,
    )
    return Picture(
        status=msgspec.structs.replace(status, **changes),
        dangers=tuple(frozenset((dangers or {}).get(one.log_group, ())) for one in groups),
        queued={name: Queued(batches=waiting, events=waiting, bytes=0) for name in ("raw", "enriched")},
    )


def judged(shown: Picture) -> list[Judged]:
    return worst_first(shown, lambda _: 600.0)


def drawn(shown: Picture, width: int = 120, height: int = 40, **changes: Any) -> list[str]:
    view = View(
        picture=shown,
        rates=Rates(),
        groups=judged(shown),
        taken=NOW_SECONDS,
        interval=2.0,
        width=width,
        height=height,
    )
    return [line.plain for line in screen(msgspec.structs.replace(view, **changes))]


def test_the_worst_comes_first() -> None:
    """What loses events before what is late, what is late before what is quiet, and what is well last."""
    shown = seen(
        group("well-b"),
        group("new", read=None),
        group("well-a"),
        group("gone", gone=True),
        group("late", risks=["late"]),
        group("silent", risks=["quiet"]),
        group("behind-a-little", read=700.0),
        group("behind-much", read=86_400.0),
        group("expiring", read=90_000.0, risks=["soon"]),
        group("fault", fault="denied", risks=["quiet"]),
        dangers={"late": {"late"}, "silent": {"silent"}, "expiring": {"expiring", "late"}, "fault": {"silent"}},
    )

    assert [
        ("fault", "fault"),
        ("expiring", "expiring"),
        ("behind", "behind-much"),
        ("behind", "behind-a-little"),
        ("silent", "silent"),
        ("late", "late"),
        ("gone", "gone"),
        ("reading", "new"),
        ("well", "well-a"),
        ("well", "well-b"),
    ] == [(one.word, one.group.log_group) for one in judged(shown)]
    assert [False] * 7 + [True] * 3 == [one.is_well for one in judged(shown)]


def test_every_state_is_explained() -> None:
    """In the document, in the same order."""
    document = (Path(__file__).parents[3] / "docs" / "watching.md").read_text()

    assert list(ORDER) == re.findall(r"^\| `(\w+)` \|", document, re.MULTILINE)


def test_a_group_that_its_source_looks_at_seldom_is_not_behind_soon() -> None:
    """Quiet groups are looked at every max_poll_interval."""
    allowed = patience(
        Settings(sources=(Source(name="slow", regions=("r",), log_groups=("*",), max_poll_interval=3_600_000),))
    )

    assert 7_260 == allowed("slow")
    assert 660 == allowed("a source of before")


def test_what_is_wrong_is_told_once_for_groups_that_have_the_same() -> None:
    """A source that is denied altogether would fill the screen with one sentence."""
    shown = seen(*(group(f"/app/{number}", fault="denied: allow it") for number in range(3)), group("/well"))
    lines = drawn(shown)

    assert 1 == sum("denied: allow it" in line for line in lines)
    assert ["/app/0", "/app/1", "/app/2", "/well"] == [
        line.split()[1] for line in lines if line.startswith(("fault", "well"))
    ]


def test_what_does_not_fit_is_counted() -> None:
    """Nobody should think that these are all."""
    shown = seen(*(group(f"/bad/{number:03}", fault=f"why {number}") for number in range(50)), group("/well"))
    lines = drawn(shown, 60, 15)

    assert 15 == len(lines)
    told = sum(line.startswith("fault") for line in lines)
    assert f"and {51 - told} more, {50 - told} of them in trouble" == lines[-1].strip()
    assert "50 groups of 51 in trouble" in lines[1]


def test_nobody_at_work_and_a_difference_in_the_books_are_seen() -> None:
    """What an operator has to do something about."""
    shown = seen(group("/a", books=Account(fetched=5)), waiting=0)
    idle = [msgspec.structs.replace(queue, workers=0) for queue in shown.status.queues]
    lines = drawn(msgspec.structs.replace(shown, status=msgspec.structs.replace(shown.status, queues=idle)))

    assert "DIFFERENCE: 5 events are not accounted for" in lines[1]
    assert 2 == sum("none at work" in line for line in lines)


def test_without_news_it_says_so_and_for_how_long() -> None:
    """What is shown is old then."""
    lines = drawn(seen(group("/a")), away="Redis does not answer (\x1b[2J)", away_seconds=75.0)

    assert lines[1].startswith(r"NO NEWS FROM REDIS for 75 s: Redis does not answer (\x1b[2J)")


@given(
    names=st.lists(NAMES, max_size=12),
    faults=st.lists(NAMES, max_size=12),
    width=st.integers(1, 150),
    height=st.integers(1, 50),
)
def test_no_line_is_wider_than_the_window_nor_commands_it(
    names: list[str], faults: list[str], width: int, height: int
) -> None:
    """Whatever groups are called, in whatever window."""
    groups = [group(name, fault=fault, region=fault) for name, fault in zip(names, faults, strict=False)]
    levels = [InForce(level=fault, receiver=fault, seconds_ago=1.0) for fault in faults[:2]]
    lines = drawn(seen(*groups, levels=levels), width, height)

    assert len(lines) <= height
    assert all(cell_len(line) <= width for line in lines)
    assert all(line.isprintable() for line in lines)


@given(text=NAMES, width=st.integers(1, 60))
def test_cells_are_as_wide_as_asked(text: str, width: int) -> None:
    """Characters of two cells too: what stands beside them stays in its column."""
    assert width == cell_len(named(text, width))
    assert width == cell_len(fitted(text, width)) == cell_len(right(text, width)) or not text.isprintable()


@pytest.mark.parametrize(
    ("name", "width", "expected"),
    [("/app", 6, "/app  "), ("/aws/lambda/checkout-production", 16, "/aws/l..oduction"), ("/a\x1bb", 9, r"/a\x1bb  ")],
)
def test_a_name_is_cut_in_its_middle(name: str, width: int, expected: str) -> None:
    """Its end is what tells it from others."""
    assert expected == named(name, width)


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (figures.rate(None), "-"),
        (figures.rate(0.0), "0"),
        (figures.rate(0.01), "0.1"),
        (figures.rate(3.14), "3.1"),
        (figures.rate(1_234.5), "1,234"),
        (figures.size(0), "0 B"),
        (figures.size(1_536), "1.5 KiB"),
        (figures.size(64 * 1024**2), "64 MiB"),
        (figures.age(-1.0), "0 s"),
        (figures.age(119.0), "119 s"),
        (figures.age(600.0), "10 min"),
        (figures.age(86_400.0), "24 h"),
        (figures.age(1e6), "12 d"),
        (figures.some(1, "batches"), "1 batch"),
        (figures.some(2_000, "dead letters"), "2,000 dead letters"),
    ],
)
def test_figures_have_their_unit_and_no_more_digits_than_tell(shown: str, expected: str) -> None:
    """For people."""
    assert expected == shown


def test_rates_are_those_of_the_last_seconds() -> None:
    """New events and repeats apart, by group too; after one look nothing is known."""
    meter = Meter()

    def look(at: float, fetched: int, duplicates: int, delivered: int, raw: int = 0) -> Rates:
        account = Account(fetched=fetched, duplicates=duplicates, delivered=delivered)
        one = msgspec.structs.replace(seen(group("/a", books=account)))
        return meter.add(msgspec.structs.replace(one, queued={"raw": Queued(batches=0, events=raw, bytes=0)}), at)

    assert look(0.0, 1_000, 0, 1_000).fetched is None
    then = look(5.0, 2_000, 500, 1_200, raw=100)
    assert (100.0, 100.0, 80.0, 40.0) == (then.fetched, then.repeats, then.normalized, then.delivered)
    assert {("123456789012", "eu-west-1", "/a"): (100.0, 40.0)} == then.groups
    look(WINDOW_SECONDS, 2_000, 500, 1_500)
    later = look(100.0, 2_000, 500, 1_500)
    assert (0.0, 0.0) == (later.fetched, later.delivered)
    assert look(101.0, 5, 0, 5).fetched is None


def test_the_picture_has_events_by_queue_and_kinds_of_risk(client: redis.Redis) -> None:
    """Of a long queue an estimate; what makes no sense in Redis counts as nothing."""
    reference = GroupRef(account_id="123456789012", region="eu-west-1", log_group="/app/a")
    key = keys.group_key(reference)
    state = GroupState(
        group=reference,
        source="s",
        read_ms=1,
        lateness_ms=3_600_000,
        late_window_ms=900_000,
        came_ms=1,
        silent_after_ms=1,
    )
    client.hset(keys.GROUPS, key, msgspec.json.encode(state))
    with client.pipeline() as pipe:
        books.record(pipe, key, {"fetched": 10})
        pipe.execute()
    client.zadd(keys.outstanding("raw"), {str(number): 1 for number in range(2_000)})
    client.hset(keys.facts("raw"), mapping={str(number): '{"events": 7}' for number in range(2_000)})
    client.zadd(keys.outstanding("enriched"), {"a": 1, "b": 1})
    client.hset(keys.facts("enriched"), mapping={"a": '{"events": 5, "more": []}', "b": "nonsense"})
    client.hset(keys.BYTES, "enriched", 99)
    found = picture(client, NOW_SECONDS)

    assert (frozenset({"late", "silent"}),) == found.dangers
    assert Queued(batches=2_000, events=14_000, bytes=0) == found.queued["raw"]
    assert Queued(batches=2, events=5, bytes=99) == found.queued["enriched"]
