"""Lines that repeat themselves: said once, counted, and the count said."""

import json
import threading

import pytest

from shared.repeats import Fields, Repeats
from tests.eventually import eventually


def test_the_first_is_new_and_the_rest_are_counted() -> None:
    """By key: what one group says does not silence another."""
    said: list[tuple[Fields, int]] = []
    repeats = Repeats(lambda fields, repeated: said.append((fields, repeated)))

    assert [True, False, False] == [repeats.is_new(("a",), {"n": n}) for n in range(3)]
    assert repeats.is_new(("b",), {})
    repeats.flush()
    assert [] == said
    repeats.flush(everything=True)
    assert [({"n": 2}, 2)] == said


def test_the_count_is_said_when_its_time_is_over_even_if_nothing_follows() -> None:
    """Nobody asks for it: a host that fell silent would never say it."""
    counted: list[int] = []
    repeats = Repeats(lambda _, repeated: counted.append(repeated), seconds=0.1)
    new = [repeats.is_new(("a",), {}) for _ in range(5)]

    eventually(lambda: sum(new) + sum(counted) == 5)
    assert counted


def test_after_its_time_it_is_new_again() -> None:
    """It is no repetition any more."""
    repeats = Repeats(lambda *_: None, seconds=0.0)

    assert [True, True] == [repeats.is_new(("a",), {}) for _ in range(2)]


def test_nothing_is_lost_or_counted_twice_between_threads() -> None:
    """Said and counted together are all there were."""
    counted: list[int] = []
    repeats = Repeats(lambda _, repeated: counted.append(repeated), seconds=0.01)
    new: list[bool] = []

    def work() -> None:
        new.extend([repeats.is_new((number % 3,), {}) for number in range(300)])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    repeats.flush(everything=True)
    eventually(lambda: sum(new) + sum(counted) == 1_200)


def test_many_keys_do_not_fill_the_memory() -> None:
    """Those whose time is over are forgotten."""
    repeats = Repeats(lambda *_: None, seconds=0.0)
    for number in range(20_000):
        repeats.is_new((number,), {})

    assert len(repeats._windows) <= 1_000


@pytest.mark.parametrize("times", [1, 40])
def test_a_log_says_it_once_and_then_how_often(times: int, capsys: pytest.CaptureFixture[str]) -> None:
    """With the fields of the last, and without a traceback of each."""
    import structlog

    from shared import logs, repeats

    made: list[Repeats] = []
    original = repeats.Repeats.__init__

    def remember(self: Repeats, *arguments: object, **options: object) -> None:
        original(self, *arguments, **options)  # type: ignore[arg-type]
        made.append(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(repeats.Repeats, "__init__", remember)
        logs.set_up("info", "json", role="normalizer")
    for number in range(times):
        try:
            raise ValueError(number)
        except ValueError:
            structlog.get_logger().exception("an event cannot be shaped", group="/app", event_id=str(number))
    structlog.get_logger().error("cannot be read", what="a")
    structlog.get_logger().error("cannot be read", what="a")
    made[0].flush(everything=True)
    structlog.reset_defaults()
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]

    shaped = [line for line in lines if line["code"] == "event-dead-letter"]
    assert (["0"] if times == 1 else ["0", "39"]) == [line["event_id"] for line in shaped]
    assert ([None] if times == 1 else [None, 39]) == [line.get("repeated") for line in shaped]
    assert ([] if times == 1 else ["ValueError(39)"]) == [line["error"] for line in shaped[1:]]
    assert {"error"} == {line["level"] for line in shaped}
    assert {"normalizer"} == {line["role"] for line in lines}
    assert 2 == sum(line["code"] == "source-unreadable" for line in lines)
