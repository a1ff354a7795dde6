"""Web ACL logs: JSON, in groups whose names AWS makes begin `aws-waf-logs-`."""

from typing import Any

from services.normalizer.families.family import Context, Findings, Record
from services.normalizer.families.records import object_of, reshaped, sourced, text_of

#: Headers of a request that Wazuh's module keeps. Whoever sends the request names the others: each new name would be a
#: new field of the index.
HEADERS = frozenset(
    (
        *("a-im", "accept", "accept-charset", "accept-encoding", "accept-language", "access-control-request-headers"),
        *("access-control-request-method", "authorization", "cache-control", "connection", "content-encoding"),
        *("content-length", "content-type", "cookie", "date", "expect", "forwarded", "from", "host", "http2-settings"),
        *("if-match", "if-modified-since", "if-none-match", "if-range", "if-unmodified-since", "max-forwards"),
        *("origin", "pragma", "prefer", "proxy-authorization", "range", "referer", "te", "trailer", "upgrade"),
        *("transfer-encoding", "user-agent", "via", "warning", "x-forwarded-for", "x-forwarded-host"),
        *("x-forwarded-proto", "x-requested-with"),
    )
)


def waf(members: Record, _context: Context) -> Findings | None:
    """Shape the log of one request: its headers as an object."""
    request = object_of(members, "httpRequest")
    if not text_of(members, "webaclId") or not text_of(members, "action") or not request:
        return None
    record = members
    if isinstance(request.get("headers"), list):
        record = {**members, "httpRequest": {**request, "headers": _headers(request["headers"])}}
    return Findings((sourced("waf", reshaped(record)),))


def _headers(headers: list[Any]) -> Record:
    return {
        header["name"]: header.get("value")
        for header in headers
        if isinstance(header, dict) and isinstance(header.get("name"), str) and header["name"].lower() in HEADERS
    }
