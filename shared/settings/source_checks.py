"""What contradicts itself within one source: groups, regions, accounts, and what would be deleted unread."""

import re
from collections.abc import Mapping
from fnmatch import fnmatchcase

from shared.settings import log_groups
from shared.settings.faults import Faults
from shared.settings.log_groups import Entry

ROLE_ARN = re.compile(r"arn:aws(-[a-z]+)*:iam::[0-9]{12}:role/[\w+=,.@/-]+", re.ASCII)
_GROUP_ARN = '"arn:aws:logs:eu-west-1:123456789012:log-group:/app/*"'


def check(source: Mapping[str, object], prefix: str, faults: Faults) -> None:
    """Add a fault for each pair of values of a source, whose keys begin with `prefix`, that cannot both be meant."""
    _check_account(source, prefix, faults)
    _check_groups(source, prefix, faults)
    _check_deletion(source, prefix, faults)


def _check_account(source: Mapping[str, object], prefix: str, faults: Faults) -> None:
    """Check that an account and a role that are both given are of one account."""
    account, role_arn = source.get("account_id"), source.get("role_arn")
    if account and isinstance(role_arn, str) and ROLE_ARN.fullmatch(role_arn) and role_arn.split(":")[4] != account:
        faults.value(
            f"{prefix}.account_id", account, f"is not the account of role_arn, {role_arn.split(':')[4]}; correct one"
        )


def _check_groups(source: Mapping[str, object], prefix: str, faults: Faults) -> None:
    """Check the ARNs among the log groups, and what is left out against what is named."""
    regions = _list(source.get("regions"))
    excluded = [text for text in _list(source.get("exclude_log_groups")) if isinstance(text, str)]
    for number, text in enumerate(_list(source.get("log_groups"))):
        if not isinstance(text, str):
            continue
        key = f"{prefix}.log_groups[{number}]"
        try:
            entry = log_groups.read(text)
        except ValueError:
            faults.value(key, text, f"must be an ARN such as {_GROUP_ARN}, or a name")
            continue
        if sentence := _misplaced(entry, regions):
            faults.value(key, text, sentence)
        by = next((pattern for pattern in excluded if entry.is_exact and fnmatchcase(entry.name, pattern)), None)
        if by is not None:
            faults.value(key, text, f'is left out by "{by}" of exclude_log_groups; take one of them away')
    for number, text in enumerate(excluded):
        if text.startswith("arn:"):
            key = f"{prefix}.exclude_log_groups[{number}]"
            faults.value(key, text, "must be a name or pattern without the rest of an ARN: it holds for all accounts")


def _misplaced(entry: Entry, regions: list[object]) -> str | None:
    """Return what is wrong with the region of an ARN, if anything is."""
    if not entry.is_arn:
        return None
    places = [region for region in regions if isinstance(region, str)]
    if len(places) < len(regions) or not places:
        return None  # they have a fault of their own
    here = [region for region in places if entry.is_in(region)]
    if not here:
        return f"is in {entry.region}, which is none of regions; add it there, or correct the ARN"
    wrong = next((region for region in here if log_groups.partition(region) != entry.partition), None)
    return f"must begin arn:{log_groups.partition(wrong)}: in {wrong}" if wrong else None


def _check_deletion(source: Mapping[str, object], prefix: str, faults: Faults) -> None:
    """Check that nothing is deleted which is never read."""
    deletes = source.get("delete_log_streams")
    if deletes is not True:
        return
    key = f"{prefix}.delete_log_streams"
    if source.get("filter_pattern"):
        faults.value(key, deletes, "would delete events that filter_pattern leaves out, unread; keep one of them")
    sweep_window, late_window = source.get("sweep_window"), source.get("late_window")
    is_short = isinstance(sweep_window, int) and isinstance(late_window, int) and sweep_window <= late_window
    if source.get("sweep_interval") == 0 or is_short:
        faults.value(
            key, deletes, "needs deep sweeps, or late events would go unread; see sweep_window and sweep_interval"
        )
    arn = next((text for text in _list(source.get("log_groups")) if isinstance(text, str) and text[:4] == "arn:"), None)
    if arn is not None:
        faults.value(key, deletes, f"cannot delete in linked accounts, such as {arn}; give them a source of their own")


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
