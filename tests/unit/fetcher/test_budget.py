"""The byte budget: when fetching pauses."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from services.fetcher import budget
from services.fetcher.budget import ByteBudget
from shared import keys
from tests.unit.fetcher.memory_redis import MemoryRedis


@pytest.fixture
def server() -> Any:
    return MemoryRedis()


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "REFRESH_SECONDS", 0.0)


def hold(server: Any, **held: int) -> None:
    """Have the queues and the dead letters hold so many bytes."""
    for name, size in held.items():
        server.hset(keys.BYTES, name, size)


def test_there_is_room_in_an_empty_server(server: Any) -> None:
    """The counters are not there yet."""
    assert ByteBudget(server, 1).has_room()


@pytest.mark.parametrize(
    ("held", "has_room"),
    [
        ({"raw": 99}, True),
        ({"raw": 100}, False),
        ({"raw": 30, "enriched": 30, "dead_letters": 39}, True),
        ({"raw": 30, "enriched": 30, "dead_letters": 40}, False),
        ({"dead_letters": 100}, False),
        ({"raw": 10, "kept_originals": 500}, True),
    ],
)
def test_queues_and_dead_letters_share_one_budget(server: Any, held: dict[str, int], has_room: bool) -> None:
    """Each of them fills the same Redis; originals kept beside them have a bound of their own."""
    hold(server, **held)

    assert has_room == ByteBudget(server, 100).has_room()


def test_a_pause_is_told_once_and_so_is_its_end(server: Any) -> None:
    """Also whose hand it needs: dead letters are removed by nobody but an operator."""
    bytes_held = ByteBudget(server, 100)
    with capture_logs() as lines:
        for held in ({"raw": 100}, {"raw": 200}, {"raw": 99}, {"raw": 40, "dead_letters": 60}, {"raw": 50}):
            hold(server, **held)
            bytes_held.has_room()

    assert ["warning", "info", "error"] == [line["log_level"] for line in lines]
    assert "replay or discard them" in lines[2]["event"]


def test_the_server_is_asked_at_most_so_often(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every thread asks before every page."""
    monkeypatch.setattr(budget, "REFRESH_SECONDS", 3600.0)
    bytes_held = ByteBudget(server, 100)
    rooms = [bytes_held.has_room()]
    hold(server, raw=1000)
    rooms += [bytes_held.has_room() for _ in range(5)]

    assert [True] * 6 == rooms
