"""When the next look is worth its cost."""

import pytest

from services.forwarder.tempo import FIRST_GUESS, LONGEST, SHORTEST, Tempo


def test_a_pause_is_half_of_what_the_events_take_within_bounds() -> None:
    """So that the receiver does not run dry while we sleep."""
    tempo = Tempo()

    assert SHORTEST == tempo.pause(0)
    assert pytest.approx(60 / FIRST_GUESS / 2) == tempo.pause(60)
    assert LONGEST == tempo.pause(1_000_000)


def test_the_pace_is_learnt_from_the_counter() -> None:
    """A receiver may do ten times more, or less."""
    tempo = Tempo()
    for step in range(40):
        tempo.note(step * 1_000, step * 0.01)

    assert pytest.approx(200 / 100_000 / 2, rel=0.01) == tempo.pause(200)


def test_a_receiver_that_stands_still_is_looked_at_seldom() -> None:
    """Its pace goes to nothing, the pause to its longest."""
    tempo = Tempo()
    for step in range(60):
        tempo.note(7, step * 1.0)

    assert LONGEST == tempo.pause(1)


def test_a_counter_that_began_anew_is_no_pace() -> None:
    """A restarted receiver counts from nothing."""
    tempo = Tempo()
    tempo.note(1_000_000, 0.0)
    tempo.note(5, 1.0)
    tempo.note(15_005, 2.0)

    assert pytest.approx(30 / 15_000 / 2) == tempo.pause(30)
