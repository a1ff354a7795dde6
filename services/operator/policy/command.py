"""`cwpipe policy`: the least that IAM has to allow for these settings.

A policy belongs to one principal, and what is printed is one document, to be pasted as it is. Settings with several
principals (profiles, roles, and the credentials that assume those roles) need one each, so the command asks which is meant: a
list of documents, or documents under keys, would be JSON that no AWS console and no `aws iam` takes.
"""

import json
import sys
from collections.abc import Sequence

from services.operator.policy import statements
from services.operator.policy.statements import Statement
from shared.errors import SettingsError
from shared.settings.load import Loaded, require_sources
from shared.settings.model import Source

#: Of a managed policy, without white space.
MAX_CHARACTERS = 6_144

DEFAULT = "default"
"""The principal of sources that have neither profile nor role: the usual chain of credentials."""


def show(loaded: Loaded, *, source: str, principal: str, metrics: bool, explain: bool) -> None:
    """Print the policy of one principal; its reasons go to standard error, or with `explain` all of it is printed as text.

    Raises SettingsError when there are several principals and none is named.
    """
    require_sources(loaded)
    found = list(policy(_chosen(loaded.settings.sources, source), principal, metrics=metrics))
    if explain:
        print("\n".join(_explained(found)))
        return
    print(json.dumps(document(found), indent=2))
    for statement in found:
        print(f"{statement.sid}: {statement.reason}", file=sys.stderr)
    size = len(json.dumps(document(found), separators=(",", ":")))
    if size > MAX_CHARACTERS:
        print(
            f"cwpipe: the policy has {size:,} characters, a managed policy may have {MAX_CHARACTERS:,}: use wider patterns in "
            "log_groups, fewer Regions a source, or --source to make several",
            file=sys.stderr,
        )


def document(found: Sequence[Statement]) -> dict[str, object]:
    """Return the policy document."""
    return {"Version": "2012-10-17", "Statement": [statement.as_json() for statement in found]}


def policy(sources: Sequence[Source], principal: str = "", *, metrics: bool = True) -> list[Statement]:
    """Return the statements for one principal, the only one if none is named; SettingsError if that does not say which."""
    needs = _needs(sources, metrics=metrics)
    if principal in needs:
        return needs[principal]
    if not principal and len(needs) == 1:
        return next(iter(needs.values()))
    asked = f"there is no principal {principal}" if principal else "several principals need a policy of their own"
    raise SettingsError([f"{asked}; name one:", *(f"  --principal {name}" for name in needs)])


def _chosen(sources: Sequence[Source], name: str) -> Sequence[Source]:
    chosen = [source for source in sources if name in {"", source.name}]
    if not chosen:
        known = ", ".join(source.name for source in sources)
        raise SettingsError([f"there is no source {name}: --source takes one of {known}"])
    return chosen


def _needs(sources: Sequence[Source], *, metrics: bool) -> dict[str, list[Statement]]:
    """Return the statements of each principal, those who read first."""
    readers: dict[str, list[Source]] = {}
    assumers: dict[str, list[Source]] = {}
    for source in sources:
        base = f"profile:{source.profile}" if source.profile else DEFAULT
        readers.setdefault(source.role_arn or base, []).append(source)
        if source.role_arn:
            assumers.setdefault(base, []).append(source)
    needs = {name: list(statements.reading(read, metrics=metrics)) for name, read in readers.items()}
    for name, assumed in assumers.items():
        needs.setdefault(name, []).extend(statements.assuming(assumed))
    return needs


def _explained(found: Sequence[Statement]) -> list[str]:
    lines = []
    for statement in found:
        lines += [statement.sid, f"    why   {statement.reason}", f"    may   {', '.join(statement.actions)}"]
        lines += [f"    on    {arn}" for arn in statement.resources]
        for test, keys in statement.condition.items():
            lines += [f"    if    {key} {test} {', '.join(values)}" for key, values in keys.items()]
    return lines
