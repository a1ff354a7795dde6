"""Access logs of API Gateway in JSON, of which Wazuh has rules for the same in the common log format only."""

import re

from services.normalizer.families.family import Context, Line, Record
from services.normalizer.families.records import text_of

_ADDRESS = re.compile(r"[0-9A-Fa-f.:]{2,45}")
_TIME = re.compile(r"\d{1,2}/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}")
_METHOD = re.compile(r"[A-Z]{1,16}")
_STATUS = re.compile(r"[1-5]\d\d")
_WORD = re.compile(r"[!#-~]{1,256}")
_UNSAFE = re.compile(r'[\x00-\x20"\x7f-\x9f\u2028\u2029]')


def apigateway(members: Record, _context: Context) -> Line | None:
    """Write the members that a stage is usually set to log as one line. None: one that the line needs is missing."""
    address, time, method = text_of(members, "ip"), text_of(members, "requestTime"), text_of(members, "httpMethod")
    status = _printed(members, "status")
    path = text_of(members, "path") or text_of(members, "resourcePath") or _route(members)
    told = (
        _ADDRESS.fullmatch(address)
        and _TIME.fullmatch(time)
        and _METHOD.fullmatch(method)
        and _STATUS.fullmatch(status)
    )
    if not told or not path:
        return None
    request = f"{method} {_UNSAFE.sub(_escaped, path)} {_word(members, 'protocol', 'HTTP/1.1')}"
    size, request_id = _word(members, "responseLength", "-"), _word(members, "requestId", "-")
    return Line(f'{address} - {_word(members, "user", "-")} [{time}] "{request}" {status} {size} {request_id}'.encode())


def _route(members: Record) -> str:
    """Return the path of an HTTP API's route, `GET /items` or `$default`; "" if there is none."""
    route = text_of(members, "routeKey")
    return route.partition(" ")[2] or ("/" if route else "")


def _printed(members: Record, key: str) -> str:
    value = members.get(key)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else text_of(members, key)


def _word(members: Record, key: str, default: str) -> str:
    word = _printed(members, key)
    return word if _WORD.fullmatch(word) else default


def _escaped(unsafe: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in unsafe[0].encode())
