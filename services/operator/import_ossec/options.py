"""What each option of a wodle's `cloudwatchlogs` service becomes here: a key of a source, or a remark. Pure.

No secret is read out of the file: of access_key and secret_key it is only seen that they are there.
"""

import re
from collections.abc import Callable, Mapping

from services.operator.import_ossec.discard import discard
from services.operator.import_ossec.draft import Draft, keep_what_loads, name_of
from services.operator.import_ossec.xml import Element, shown
from shared.settings.quantities import format_duration

MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DATE = re.compile(r"([0-9]{4})-([A-Za-z]{3})-([0-9]{2})")
_GROUP = re.compile(r"[A-Za-z0-9_./#-]{1,512}")
_REGION = re.compile(r"[a-z]{2,}(-[a-z0-9]+)+-[0-9]+")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_INTERVAL = re.compile(r"([0-9]{1,9})\s*([smhdw]?)")
POLL_SECONDS = 30


def draft(service: Element, wodle: Element) -> Draft:
    """Return what a service becomes, all its options accounted for."""
    made = Draft(service.line)
    for option in service.children:
        _OPTIONS.get(option.name, _unknown)(option, made)
    _timing(wodle, made)
    if any(service.said(key) or wodle.said(key) for key in ("access_key", "secret_key")):
        made.todos.append(
            "access_key and secret_key are not copied: put them into a profile of ~/.aws/credentials and name it by "
            "`profile`, or into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY of cwpipe's environment; better, use a role "
            "and make no keys"
        )
    if not made.log_groups:
        made.todos.append("it names no log group: fill in log_groups, and take the # away")
        made.is_off = True
    if "external_id" in made.keys and "role_arn" not in made.keys:
        made.remarks.append("external_id has no meaning without iam_role_arn")
        del made.keys["external_id"]
    made.name = name_of(made, service.said("aws_account_alias"))
    keep_what_loads(made)
    return made


def _timing(wodle: Element, made: Draft) -> None:
    """Take what holds for the whole wodle."""
    interval = wodle.said("interval")
    found = _INTERVAL.fullmatch(interval)
    if found and 0 < (seconds := int(found[1]) * _SECONDS[found[2]]) < POLL_SECONDS:
        made.keys["poll_interval"] = f"{seconds}s"
    elif interval:
        made.remarks.append(
            f"interval {shown(interval)} is not taken over: a group is looked at every {POLL_SECONDS}s here, which costs one "
            "call; see poll_interval and max_poll_interval"
        )
    for key in ("day", "wday", "time"):
        if wodle.said(key):
            made.remarks.append(f"{key} is not taken over: cwpipe reads all the time")
    if wodle.said("run_on_start") == "no":
        made.remarks.append("run_on_start no is not taken over: cwpipe reads as soon as it runs")
    if wodle.said("skip_on_error"):
        made.remarks.append("skip_on_error is not needed: what fails is tried again, and nothing else waits for it")
    if wodle.said("disabled") == "yes":
        made.remarks.append("the wodle is disabled, so this is a comment: take the # away to read these groups")
        made.is_off = True


def _text(key: str) -> Callable[[Element, Draft], None]:
    def take(option: Element, made: Draft) -> None:
        if option.text:
            made.keys[key] = option.text

    return take


def _regions(option: Element, made: Draft) -> None:
    for name in _listed(option.text):
        if _REGION.fullmatch(name):
            made.regions.append(name)
        else:
            made.todos.append(f"{shown(name)} is no AWS region: correct regions")


def _log_groups(option: Element, made: Draft) -> None:
    for name in _listed(option.text):
        if _GROUP.fullmatch(name):
            made.log_groups.append(name)
        else:
            made.todos.append(f"{shown(name)} can be no log group's name: correct log_groups")
    if re.search(r",\s|\s,", option.text):
        made.remarks.append("with a space at a comma, the wodle did not read all of these groups")


def _only_logs_after(option: Element, made: Draft) -> None:
    found = _DATE.fullmatch(option.text)
    if found and found[2].upper() in MONTHS:
        made.keys["only_logs_after"] = f"{found[1]}-{MONTHS.index(found[2].upper()) + 1:02}-{found[3]}"
    elif option.text:
        made.todos.append(f"only_logs_after {shown(option.text)} is no date such as 2026-NOV-01: set only_logs_after")


def _duration(option: Element, made: Draft) -> None:
    if re.fullmatch("[0-9]{1,9}", option.text):
        made.keys["role_duration"] = format_duration(int(option.text) * 1000)
    elif option.text:
        made.todos.append(f"iam_role_duration {shown(option.text)} is no number of seconds: set role_duration")


def _remove(option: Element, made: Draft) -> None:
    if option.text == "yes":
        made.keys["delete_log_streams"] = True
        made.remarks.append(
            "remove_log_streams: the wodle deleted a stream as soon as it had read it; here it has to be delivered, over, and "
            "older than sweep_window"
        )


def _alias(option: Element, made: Draft) -> None:
    if option.text:
        made.remarks.append("aws_account_alias only names the source here")


def _ignored(_: Element, __: Draft) -> None:
    """Leave it to whoever looks at both levels."""


def _unknown(option: Element, made: Draft) -> None:
    made.todos.append(f"<{shown(option.name)}> is no option that is known here: see what it was meant to do")


_OPTIONS: Mapping[str, Callable[[Element, Draft], None]] = {
    "aws_profile": _text("profile"),
    "iam_role_arn": _text("role_arn"),
    "external_id": _text("external_id"),
    "iam_role_duration": _duration,
    "aws_account_id": _text("account_id"),
    "aws_account_alias": _alias,
    "regions": _regions,
    "aws_log_groups": _log_groups,
    "only_logs_after": _only_logs_after,
    "discard_regex": discard,
    "remove_log_streams": _remove,
    "service_endpoint": _text("endpoint_url"),
    "sts_endpoint": _text("sts_endpoint_url"),
    "access_key": _ignored,
    "secret_key": _ignored,
}


def _listed(text: str) -> list[str]:
    names = (name.strip() for name in text.split(","))
    return list(dict.fromkeys(name for name in names if name))
