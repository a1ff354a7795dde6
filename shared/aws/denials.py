"""What to allow when AWS denies a call: the action, the resource, and where, read from AWS's words or from the call."""

import re

#: "User: ... is not authorized to perform: logs:Unmask on resource: arn:...", of which the resource may be missing.
_ACTION = re.compile(
    r"not authorized to perform: (?P<action>[a-z0-9-]{1,40}:[A-Za-z]{1,60})"
    r"(?: on resource: (?P<resource>arn:[\w+=,.@:/#*-]{1,2048}))?",
    re.ASCII,
)
#: A log group as the resource of a denial, with or without a stream behind it.
_GROUP = re.compile(r"(arn:[^:]*:logs:[^:]*:[^:]*:log-group:)([^:]*)(:.*)?")
_DENY = re.compile(r"explicit deny in an? ([A-Za-z -]{1,40}(?:policy|boundary))")
_NO_ALLOW = re.compile(r"because no ([A-Za-z -]{1,40}(?:policy|boundary))")
_OWN = "IAM policy of these credentials"
UNMASK = "logs:Unmask"


def advice(text: str, operation: str, resource: str) -> str:
    """Return what to do about the denial of `operation` on `resource` (an ARN, or empty), which AWS explains by `text`."""
    said = _ACTION.search(text)
    if said is not None:
        operation = said["action"]
        resource = said["resource"] or resource
    where = f"on {_resource(resource)}" if resource else "there"
    if deny := _DENY.search(text):
        what = f"an explicit deny in a {deny[1]} stands against {operation} {where}: have it lifted"
    else:
        no_allow = _NO_ALLOW.search(text)
        place = no_allow[1] if no_allow and no_allow[1] != "identity-based policy" else _OWN
        what = f"allow {operation} {where} in the {place}"
    return f"{what}, or set unmask = false" if operation == UNMASK else what


def _resource(arn: str) -> str:
    """Return a resource as a policy has to name it: a group with all its streams."""
    group = _GROUP.fullmatch(arn)
    if group is None:
        return arn
    return f"{group[1]}{group[2]}:*" if group[2] and group[2] != "*" else f"{group[1]}*"
