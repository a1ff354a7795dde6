"""The table of docs/metrics.md, made from shared/metrics.py. `python -m shared.metrics_document` writes it anew."""

from pathlib import Path

from prometheus_client import Counter, Gauge, Histogram

from shared.metrics import ROLES, Asked

MARKDOWN = Path(__file__).parents[1] / "docs" / "metrics.md"
BEGIN = "<!-- Made by `python -m shared.metrics_document` from shared/metrics.py; a test fails when it is stale. -->"
END = "<!-- The end of what is made. -->"

_OF_ROLE = {
    "fetcher": "Each fetcher",
    "normalizer": "Each normalizer",
    "forwarder": "Each forwarder",
    "metrics": "`cwpipe metrics`, once for all",
}


def described(metric: Counter | Gauge | Histogram | Asked) -> tuple[str, str, tuple[str, ...], str]:
    """Return name as it is scraped, kind, labels and sentence."""
    name, kind, labels, sentence = _told(metric)
    return (f"{name}_total" if kind == "counter" else name), kind, labels, sentence


def _told(metric: Counter | Gauge | Histogram | Asked) -> tuple[str, str, tuple[str, ...], str]:
    if isinstance(metric, Asked):
        return metric.name, metric.kind, metric.labels, metric.sentence
    family = next(iter(metric.collect()))
    return family.name, family.type, tuple(metric._labelnames), family.documentation


def tables() -> str:
    """Return a table a role, as Markdown."""
    lines: list[str] = []
    for role, metrics in ROLES.items():
        lines += [
            f"### {_OF_ROLE[role]}",
            "",
            "| Metric | Kind | Labels | What it tells |",
            "| --- | --- | --- | --- |",
        ]
        for metric in metrics:
            name, kind, labels, sentence = described(metric)
            shown = ", ".join(f"`{label}`" for label in labels)
            lines.append(f"| `{name}` | {kind} | {shown} | {sentence} |")
        lines.append("")
    return "\n".join(lines)


def renewed(text: str) -> str:
    """Return the document with its tables made anew."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{tables()}\n{END}{after}"


if __name__ == "__main__":
    MARKDOWN.write_text(renewed(MARKDOWN.read_text(encoding="utf-8")), encoding="utf-8")
