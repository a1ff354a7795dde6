"""The ARNs in an IAM policy that stand for the groups of a source. Pure.

IAM knows `*` and `?` and nothing else, and its `*` goes past every colon and slash.
"""

import re
from collections.abc import Iterable

from shared.settings.log_groups import partition
from shared.settings.model import Source

_ARN = re.compile(r"arn:([^:]*):logs:([^:]*):([^:]*):log-group:(.+?)(?::\*)?")
#: A set of characters, or a bracket that begins none; `*` is the narrowest that IAM has for it.
_SET = re.compile(r"\[(?:[!]?\]?[^\]]*\])?")
#: What no name of a group has. `$` would begin a variable of IAM.
_NO_NAME = re.compile(r"[^A-Za-z0-9_./#*?-]")
#: In the name of a stream these mean themselves; IAM has no way to say so but by one character of any kind.
_NO_STREAM = re.compile(r"[$*?]")


def account(source: Source) -> str:
    """Return the account whose groups a source reads, as far as its settings say; else `*`."""
    if source.account_id:
        return source.account_id
    return source.role_arn.split(":")[4] if source.role_arn.count(":") >= 5 else "*"


def groups(source: Source) -> list[str]:
    """Return the ARNs of the groups of a source, without what comes after a name; see `narrowed`."""
    found = []
    for pattern in source.log_groups:
        if arn := _ARN.fullmatch(pattern):
            found.append(f"arn:{arn[1]}:logs:{arn[2]}:{arn[3] or '*'}:log-group:{iam_pattern(arn[4])}")
        else:
            found += [
                f"arn:{partition(region)}:logs:{region}:{account(source)}:log-group:{iam_pattern(pattern)}"
                for region in source.regions
            ]
    return found


def lists(source: Source) -> list[str]:
    """Return what listing groups is a right to: IAM knows it for all groups of an account and Region, or for none."""
    own = [f"arn:{partition(region)}:logs:{region}:{account(source)}" for region in source.regions]
    return [f"{place}:log-group:*" for place in own + [arn.partition(":log-group:")[0] for arn in groups(source)]]


def streams(source: Source) -> list[str]:
    """Return the ARNs of the streams that a source may delete."""
    return [f"{arn}:log-stream:{_NO_STREAM.sub('?', source.log_stream_prefix)}*" for arn in groups(source)]


def iam_pattern(pattern: str) -> str:
    """Return a name or glob of the settings as IAM has it, wider where it has no such thing."""
    return re.sub(r"\*+", "*", _NO_NAME.sub("?", _SET.sub("*", pattern)))


def is_widened(pattern: str) -> bool:
    """Say whether IAM cannot tell a glob as exactly as the settings do."""
    return "[" in pattern


def narrowed(arns: Iterable[str]) -> list[str]:
    """Return `arns` in order, each once, without those that another one covers."""
    every = sorted(set(arns))
    return [arn for arn in every if not any(other != arn and covers(other, arn) for other in every)]


def covers(wide: str, arn: str) -> bool:
    """Say whether all that `arn` matches, `wide` matches too."""
    parts = {"*": ".*", "?": "[^*]"}
    return re.fullmatch("".join(parts.get(letter, re.escape(letter)) for letter in wide), arn) is not None
