"""The example file and docs/settings.md, made from the model. `python -m shared.settings.document` writes both.

In the example, `#key = value` is a setting commented out, `# text` is prose: sshd_config has it so too.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from textwrap import fill

from msgspec import NODEFAULT, inspect

from shared.settings.fields import ALIASES, kind_of, table_of, tables, variable_of
from shared.settings.words import allowed
from shared.settings.written import written

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "cwpipe.example.toml"
MARKDOWN = ROOT / "docs" / "settings.md"

_WIDTH = 110
_MADE_BY = "Made by `python -m shared.settings.document` from shared/settings/model.py; a test fails when it is stale."

#: A source with what it cannot do without, and one with more; where these say nothing, the example shows the default.
_MINIMAL = {
    "name": "production",
    "regions": ["us-east-1"],
    "log_groups": ["/aws/lambda/*", "CloudTrail/logs"],
}
_FULLER = {
    "name": "other-account",
    "regions": ["eu-west-1"],
    "log_groups": ["/ecs/payments-*", "vpc-flow-logs"],
    "role_arn": "arn:aws:iam::123456789012:role/cwpipe-reader",
    "external_id": "agreed-with-the-other-account",
    "endpoint_url": "https://logs.eu-west-1.amazonaws.com",
    "sts_endpoint_url": "https://sts.eu-west-1.amazonaws.com",
    "only_logs_after": "2026-11-01",
    "poll_interval": 60_000,
    "discard_regex": r"^(DEBUG|TRACE)\b",
    "discard_field": "level",
    "keep_regex": "(?i)error|denied|failed",
}

_EXAMPLE_HEAD = f"""\
# The settings of cwpipe. Copy this file to ./cwpipe.toml or /etc/cwpipe/cwpipe.toml, or name yours with --config or
# $CWPIPE_CONFIG. Only [[sources]] has to be filled in; a line such as `#key = value` shows a default.
# Durations are "500ms", "30s", "5m", "2h", "7d"; sizes "64KiB", "256MiB", "1GiB".
# {_MADE_BY}
"""

_MARKDOWN_HEAD = f"""\
# Settings

<!-- {_MADE_BY} -->

One TOML file holds them: the one named by `--config`, else by `$CWPIPE_CONFIG`, else `./cwpipe.toml`, else
`/etc/cwpipe/cwpipe.toml`. Without a file, the defaults and the environment are all there is. `cwpipe settings` prints what
is in force and where each value came from; `cwpipe.example.toml` is a file to start from.

Durations are written `"500ms"`, `"30s"`, `"5m"`, `"2h"`, `"7d"`, sizes `"64KiB"`, `"256MiB"`, `"1GiB"` or a number of bytes.

The environment wins over the file, setting by setting; an empty variable counts as not set. A key that is not known, a
value out of its range and a `CWPIPE_` variable that nothing reads are errors: all of them are listed, and nothing starts.

`REDIS_URL` is read where `CWPIPE_REDIS_URL` is not set. `CWPIPE_LOG_GROUPS` (names or globs, separated by commas) and
`CWPIPE_REGIONS` (else `AWS_REGION`, else `AWS_DEFAULT_REGION`) make up one source without any file; its name is
`environment`. Having both that and `[[sources]]` is an error. `AWS_*` variables for credentials work as in every AWS tool.
"""


def example_toml() -> str:
    """Return the text of cwpipe.example.toml."""
    parts = [_EXAMPLE_HEAD]
    for name, table in tables():
        if name.endswith("[]"):
            parts.append("\n".join(_example_sources(name.removesuffix("[]"), table)))
        else:
            parts.append("\n".join(_example_table(name, table)))
    return "\n".join(parts)


def settings_markdown() -> str:
    """Return the text of docs/settings.md."""
    return "\n".join([_MARKDOWN_HEAD, *("\n".join(_markdown_table(name, table)) for name, table in tables())])


def _example_table(name: str, table: inspect.StructType) -> Iterator[str]:
    if name:
        yield _comment(_sentence(table))
        yield f"[{name}]\n"
    for field in _values_of(table):
        yield _comment(kind_of(field.type).sentence)
        yield _comment(_facts(field, f"{name}.{field.encode_name}".lstrip(".")))
        yield f"#{field.encode_name} = {_default(field)}\n"


def _example_sources(name: str, table: inspect.StructType) -> Iterator[str]:
    yield _comment(_sentence(table))
    yield f"[[{name}]]"
    yield from (f"{key} = {written(value)}" for key, value in _MINIMAL.items())
    yield ""
    yield _comment("Another, with every key there is. The values are examples.")
    yield f"#[[{name}]]\n"
    for field in _values_of(table):
        yield _comment(kind_of(field.type).sentence)
        yield _comment(_facts(field))
        yield f"#{field.encode_name} = {_exemplary(field, _FULLER)}\n"


def _markdown_table(name: str, table: inspect.StructType) -> Iterator[str]:
    in_list = name.endswith("[]")
    title = f"`[[{name.removesuffix('[]')}]]`" if in_list else f"`[{name}]`" if name else "Top level"
    yield f"## {title}\n\n{_sentence(table)}\n"
    columns = ["Key", "What it is", "Allowed", "Default"] + ([] if in_list else ["Environment"])
    yield _row(columns)
    yield _row(["---"] * len(columns))
    for field in _values_of(table):
        kind, key = kind_of(field.type), f"{name}.{field.encode_name}".lstrip(".")
        default = f"`{_default(field)}`" if _default(field) else "none: required"
        cells = [f"`{field.encode_name}`", kind.sentence, allowed(kind, brief=True), default]
        yield _row(cells if in_list else [*cells, _variables(key)])
    yield ""


def _values_of(table: inspect.StructType) -> list[inspect.Field]:
    """Return the fields that are no tables themselves."""
    return [field for field in table.fields if not table_of(field.type)]


def _sentence(table: inspect.StructType) -> str:
    return (table.cls.__doc__ or "").partition("\n")[0]


def _facts(field: inspect.Field, key: str = "") -> str:
    words = allowed(kind_of(field.type), brief=True)
    default = f"Default: {_default(field)}." if _default(field) else "Required."
    variable = f"Environment: {_variables(key).replace('`', '')}." if key else ""
    return " ".join(filter(None, [f"{words[0].upper()}{words[1:]}.", default, variable]))


def _default(field: inspect.Field) -> str:
    """Return the default as the file would have it; "" of a field that is required."""
    return "" if field.default is NODEFAULT else written(field.default, kind_of(field.type).quantity)


def _exemplary(field: inspect.Field, examples: Mapping[str, object]) -> str:
    value = examples.get(field.encode_name, field.default)
    return written(value, kind_of(field.type).quantity)


def _variables(key: str) -> str:
    variable = variable_of(key)
    return " or ".join(f"`{name}`" for name in (variable, ALIASES.get(variable)) if name)


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _comment(text: str) -> str:
    return fill(
        text, _WIDTH, initial_indent="# ", subsequent_indent="# ", break_long_words=False, break_on_hyphens=False
    )


if __name__ == "__main__":
    EXAMPLE.write_text(example_toml(), encoding="utf-8")
    MARKDOWN.write_text(settings_markdown(), encoding="utf-8")
