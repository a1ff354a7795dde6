"""What an audit expects to have been read is what the fetcher promises to have read."""

from hypothesis import given
from hypothesis import strategies as st

from services.fetcher import slices, sweeps
from services.operator.audit import expect as audit_expect
from shared.messages import Checkpoint, DeepSweeps, LogEvent

times = st.integers(0, 1_000_000)


@st.composite
def checkpoints(draw: st.DrawFn) -> Checkpoint:
    deep = DeepSweeps(
        begun_ms=draw(times),
        read_ms=draw(times),
        to_ms=draw(times),
        from_ms=0,
        late_window_ms=draw(times),
        late_window_before_ms=draw(times),
        late_window_since_ms=draw(times),
    )
    return Checkpoint(watermark_ms=1 << 61, swept_ms=1 << 61, deep=deep)


@given(checkpoint=checkpoints(), timestamp_ms=times, ingestion_ms=st.integers(1, 2_000_000))
def test_an_event_is_awaited_unless_the_fetcher_takes_it_for_read(
    checkpoint: Checkpoint, timestamp_ms: int, ingestion_ms: int
) -> None:
    """The fetcher never looks again at what it takes for read."""
    event = LogEvent(event_id="e", log_stream="s", timestamp_ms=timestamp_ms, ingestion_ms=ingestion_ms)

    assert sweeps.is_certain(checkpoint, event) != audit_expect.is_awaited(checkpoint, event)


def test_the_bounds_are_the_fetchers() -> None:
    """Services do not import one another, so each has them."""
    assert [sweeps.VISIBLE_MS, slices.SMALL_BYTES, slices.LEAST_LATENESS_MS] == [
        audit_expect.VISIBLE_MS,
        audit_expect.SMALL_BYTES,
        audit_expect.LEAST_LATENESS_MS,
    ]
