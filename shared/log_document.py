"""docs/logs.md, made of the list of lines: `python -m shared.log_document`."""

from itertools import groupby
from pathlib import Path

from shared.log_codes import LIBRARY, LINES, OTHER, REASONS, Level, Line
from shared.repeats import WINDOW_SECONDS

MARKDOWN = Path(__file__).parent.parent / "docs" / "logs.md"

_HEAD = f"""\
# What the log says

<!-- Made by `make docs` from shared/log_codes.py: change it there. -->

Logs go to standard error, one event a line. `log.format = "json"` makes each an object:

    {{"event": "waiting for the receiver", "code": "receiver-waiting", "reason": "no-socket", "why": "there is no ...",
     "seconds": 62, "batch": "0f3a...", "group": "/app/pay", "level": "warning", "role": "forwarder", "timestamp": "..."}}

- `code` is for machines. It stays as it is when the wording of `event` is improved. What a library says has the code
  `{LIBRARY}`, a line that is not in this list `{OTHER}`.
- `role` is who says it: `fetcher`, `normalizer`, `forwarder`, `run`, `metrics` or `dashboard`.
- `batch` and `group` stand on every line that a normalizer or forwarder says while it works on a batch: one id follows a batch
  from the queue `raw` to the receiver.
- A line marked *counted* is said once in {WINDOW_SECONDS:.0f} s for the same values of the fields named there. What is said in
  between is counted, and said at the end of that time as one line with `repeated`: how many times more it was to be read.
- No line holds a secret: values of fields that name one, passwords in URLs, parameters and headers are written `***`.
- No line is said for each event or batch, unless something is wrong with it. At `info` a host that does well says nothing.
- In the form for people, control characters are written as escapes.

[deploy/wazuh](../deploy/wazuh/README.md) has rules that make alerts of these lines.
"""
_TITLES: dict[Level, str] = {
    "error": "Level error: somebody has to do something",
    "warning": "Level warning: something waits or was put aside",
    "info": "Level info: what an operator may want to know",
    "debug": "Level debug: for those who look for a fault",
}


def logs_markdown() -> str:
    """Return the whole document."""
    parts = [_HEAD]
    for level, lines in groupby(LINES, key=lambda line: line.level):
        parts.append(
            f"\n## {_TITLES[level]}\n\n| code | line | what it means | what to do |\n| --- | --- | --- | --- |\n"
        )
        parts += [_row(line) for line in lines]
    parts.append("\n## Reasons of `receiver-waiting`\n\n| `reason` | what it means |\n| --- | --- |\n")
    parts += [f"| `{word}` | {meaning} |\n" for word, meaning in REASONS.items()]
    return "".join(parts)


def _row(line: Line) -> str:
    fields = None if line.counted_by is None else ", ".join(f"`{name}`" for name in line.counted_by)
    counted = "" if fields is None else f" *Counted{f' by {fields}' if fields else ''}.*"
    return f"| `{line.code}` | {line.event} | {line.meaning}{counted} | {line.action} |\n"


if __name__ == "__main__":
    MARKDOWN.write_text(logs_markdown(), encoding="utf-8")
