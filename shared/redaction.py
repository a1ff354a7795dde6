"""What of a text for people may be said: passwords and the like are masked, wherever in the text they stand."""

import re

from shared.settings.redact import MASK, is_secret

#: Names of fields that are secrets besides those of the settings.
_SECRET_FIELD = re.compile(r"authorization|credentials?$|secret|session_token|private_key|api_key", re.IGNORECASE)
#: A password may hold `@`, `/` or `:` unescaped: all up to the last `@` before a space is masked.
_URL_PASSWORD = re.compile(r"(?P<before>[A-Za-z][A-Za-z0-9+.-]*://[^\s:/@]*:)\S*(?=@)")
_PARAMETER = re.compile(r"(?P<before>(?:password|secret|token|signature)=)[^&\s'\"]+", re.IGNORECASE)
_HEADER = re.compile(r"(?P<before>\b(?:basic|bearer)\s+)[A-Za-z0-9+/=._~-]{8,}", re.IGNORECASE)


def without_secrets(text: str) -> str:
    """Return `text` with the passwords of URLs, and of parameters and headers that carry one, masked."""
    if "://" in text:
        text = _URL_PASSWORD.sub(rf"\g<before>{MASK}", text)
    if "=" in text:
        text = _PARAMETER.sub(rf"\g<before>{MASK}", text)
    return _HEADER.sub(rf"\g<before>{MASK}", text)


def said(name: str, value: object) -> object:
    """Return the value of a field as it may be said: nothing of a secret, and of the rest all but the secrets in it."""
    if is_hidden(name) and value is not None and not isinstance(value, bool):
        return MASK
    if isinstance(value, str):
        return without_secrets(value)
    if isinstance(value, dict):
        return {key: said(str(key), member) for key, member in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [said(name, member) for member in value]
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return without_secrets(str(value) if isinstance(value, BaseException) else repr(value))


def is_hidden(name: str) -> bool:
    """Tell whether a field of this name holds a secret."""
    return not name.endswith("_file") and (is_secret(name) or bool(_SECRET_FIELD.search(name)))
