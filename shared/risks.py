"""What is about to go wrong with a group that is read without a fault: for the fetcher's log, and for `status`."""

from shared.books import GroupState
from shared.settings.model import Source
from shared.settings.quantities import format_duration

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
MAX_LATE_WINDOW_MS = 14 * DAY_MS


def risks(state: GroupState, now_ms: int) -> list[str]:
    """Return a sentence for each risk of the group, in which nothing changes but what is to be done, and how soon."""
    if state.gone:
        return []
    return [text for text in by_kind(state, now_ms).values() if text]


def by_kind(state: GroupState, now_ms: int) -> dict[str, str]:
    """Return the same by what it is about: a word that does not change, for rules that wait for it."""
    return {"late": late(state), "expiring": expiring(state, now_ms), "silent": silent(state, now_ms)}


def late(state: GroupState) -> str:
    """Return what to do when late_window is too short for what was seen, or nothing."""
    if not state.late_window_ms or state.lateness_ms <= state.late_window_ms:
        return ""
    then = "such events are found by a deep sweep only" if state.sweep_window_ms else "such events are not looked for"
    return (
        f"events arrived up to {_words(state.lateness_ms)} after their timestamp, late_window is "
        f"{format_duration(state.late_window_ms)}: {then}, set late_window = "
        f'"{format_duration(enough(state.lateness_ms))}" for source {state.source} to have them in time'
    )


def expiring(state: GroupState, now_ms: int) -> str:
    """Return how soon CloudWatch deletes what was not read yet, when reading lags by half the retention; or nothing."""
    retention_ms = state.retention_days * DAY_MS
    if not retention_ms or not state.unread_ms or now_ms - state.unread_ms < retention_ms // 2:
        return ""
    left_ms = state.unread_ms + retention_ms - now_ms
    how_soon = (
        f"in {left_ms // HOUR_MS} hours" if left_ms >= HOUR_MS else "in less than an hour" if left_ms > 0 else "now"
    )
    return (
        f"CloudWatch deletes events that were not read yet {how_soon}: it keeps them for {state.retention_days} days, "
        "and reading lags that far behind; see to what slows it, or lengthen the retention of the group"
    )


def silent(state: GroupState, now_ms: int) -> str:
    """Return that nothing comes from the group any more, where its source wants to know; or nothing."""
    if not state.silent_after_ms or not state.came_ms or now_ms - state.came_ms < state.silent_after_ms:
        return ""
    return (
        f"nothing new has come for {format_duration(state.silent_after_ms)} or longer: see whether what logs there still runs, "
        f"or lengthen silent_after of source {state.source}"
    )


def pointless(source: Source, retention_days: int) -> str:
    """Return which settings of a source look further back than CloudWatch keeps events of a group, or nothing."""
    windows = {"late_window": source.late_window, "sweep_window": source.sweep_window if source.sweep_interval else 0}
    longer = [
        f"{name} {format_duration(ms)}"
        for name, ms in windows.items()
        if retention_days and ms > retention_days * DAY_MS
    ]
    return (
        f"{' and '.join(longer)}: more than the {retention_days} days it keeps events for is pointless"
        if longer
        else ""
    )


def enough(lateness_ms: int) -> int:
    """Return the late_window, in whole minutes or hours, that events of this lateness are in time for."""
    spare_ms = lateness_ms + MINUTE_MS
    unit_ms = HOUR_MS if spare_ms > HOUR_MS else MINUTE_MS
    return min(-(-spare_ms // unit_ms) * unit_ms, MAX_LATE_WINDOW_MS)


def _words(ms: int) -> str:
    return f"{ms / HOUR_MS:.1f} h" if ms >= HOUR_MS else f"{ms / MINUTE_MS:.1f} min"
