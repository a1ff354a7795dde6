"""The way from CloudWatch to the receiver, a line for each stage and queue."""

from rich.text import Text

from services.operator.status.collect import QueueStatus
from services.operator.status.figures import age, rate, size, some
from services.operator.status.picture import Picture, Queued
from services.operator.status.rates import Rates
from services.operator.status.text import fitted, line, right
from shared.visible import visible

_NAME, _FIGURE, _UNIT = 16, 9, 10
#: A chart of what was delivered stands at the end of its line where there is room.
CHART_WIDTH, CHART_CELLS = 110, 24
_BARS = " ▁▂▃▄▅▆▇█"
#: A forwarder with something to send says its level every few seconds.
OLD_SECONDS = 60.0


def lines(picture: Picture, rates: Rates, width: int, *, charts: bool) -> list[Text]:
    """Return six lines of at most `width` cells."""
    raw, enriched = picture.status.queues
    again = f"{rate(rates.calls)} calls/s to AWS, {rate(rates.repeats)}/s read before"
    chart = _chart(rates.history) if charts and width >= CHART_WIDTH else ""
    return [
        _row(width, "fetched", rate(rates.fetched), "events/s", (again, "")),
        _queue(width, raw, picture.queued[raw.name]),
        _row(width, "normalizers", rate(rates.normalized), "events/s", _workers(raw)),
        _queue(width, enriched, picture.queued[enriched.name]),
        _row(width, "forwarders", rate(rates.delivered), "events/s", _workers(enriched), chart),
        _receiver(width, picture),
    ]


def _row(width: int, name: str, figure: str, unit: str, said: tuple[str, str], chart: str = "") -> Text:
    rest = max(0, width - _NAME - _FIGURE - 1 - _UNIT - len(chart))
    text, style = said
    return line(
        width,
        (fitted(name, _NAME), "bold"),
        right(figure, _FIGURE) + " ",
        (fitted(unit, _UNIT), "dim"),
        (fitted(text, rest), style),
        (chart, "dim"),
    )


def _queue(width: int, queue: QueueStatus, held: Queued) -> Text:
    oldest = f"{age(queue.oldest_seconds)} old, " if queue.batches else ""
    said = (f"{oldest}{some(held.batches, 'batches')}, {size(held.bytes)}", "") if held.batches else ("empty", "dim")
    return _row(width, f"  {queue.name} queue", f"{held.events:,}", "events", said)


def _workers(queue: QueueStatus) -> tuple[str, str]:
    if queue.workers:
        return f"{queue.workers:,} at work", ""
    return "none at work", "bold red" if queue.batches else "yellow"


def _receiver(width: int, picture: Picture) -> Text:
    said = sorted(picture.status.levels, key=lambda one: one.seconds_ago)
    if not said:
        return line(width, (fitted("receiver", _NAME), "bold"), ("not sent to so far", "dim"))
    latest = said[0]
    more = f" and {len(said) - 1} more" if len(said) > 1 else ""
    ago = f", {age(latest.seconds_ago)} ago" if latest.seconds_ago > OLD_SECONDS else ""
    text = f"confirmed when {visible(latest.level)}{ago}, {visible(latest.receiver)}{more}"
    return line(width, (fitted("receiver", _NAME), "bold"), fitted(text, max(0, width - _NAME)))


def _chart(history: tuple[float, ...]) -> str:
    """Return a bar for each of the last rates, the highest of them as high as a line."""
    shown = history[-CHART_CELLS:]
    top = max(shown, default=0.0)
    bars = "".join(_BARS[round(one / top * (len(_BARS) - 1))] if top else _BARS[0] for one in shown)
    return bars.rjust(CHART_CELLS)
