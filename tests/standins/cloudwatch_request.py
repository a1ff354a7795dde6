"""One call as the stand-in sees it: who asks, where, for what, with which parameters."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.standins.cloudwatch_errors import ApiError, invalid

DEFAULT_ACCOUNT = "123456789012"

_PARTITIONS = (
    ("cn-", "aws-cn"),
    ("us-gov-", "aws-us-gov"),
    ("us-iso-", "aws-iso"),
    ("us-isob-", "aws-iso-b"),
    ("eu-isoe-", "aws-iso-e"),
    ("us-isof-", "aws-iso-f"),
    ("eusc-", "aws-eusc"),
)


@dataclass(frozen=True)
class Arn:
    """The parts of a log group's ARN that matter."""

    account: str
    region: str
    group: str


def partition(region: str) -> str:
    """Return the AWS partition of `region`, as its ARNs name it."""
    return next((name for start, name in _PARTITIONS if region.startswith(start)), "aws")


def parse_arn(identifier: str) -> Arn | None:
    """Return the parts of a log group's ARN, or None for a plain name."""
    parts = identifier.split(":", 6)
    if len(parts) != 7 or parts[0] != "arn" or parts[2] != "logs" or parts[5] != "log-group":
        return None
    return Arn(account=parts[4], region=parts[3], group=parts[6])


@dataclass(frozen=True)
class Caller:
    """Who a key belongs to."""

    account: str
    arn: str
    user_id: str


class Parameters:
    """A call's parameters, read with AWS's checks: what is out of bounds is an InvalidParameterException."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = values

    @property
    def group(self) -> str:
        """The name of the log group they name, empty when they name none."""
        if (name := self.values.get("logGroupName")) is not None:
            return str(name)
        identifier = str(self.values.get("logGroupIdentifier", ""))
        arn = parse_arn(identifier)
        return arn.group if arn else identifier

    def allow(self, *names: str) -> None:
        """Refuse every parameter that the stand-in does not know: one that is ignored would be believed in."""
        unknown = sorted(set(self.values) - set(names))
        if unknown:
            raise ApiError("ValidationException", f"the stand-in does not know {', '.join(unknown)}")

    def text(self, name: str) -> str | None:
        """Return a text parameter, None when it is absent."""
        value = self.values.get(name)
        if value is not None and not isinstance(value, str):
            raise ApiError("SerializationException", f"{name} is not a string")
        return value

    def required(self, name: str) -> str:
        """Return a text parameter that must be there."""
        value = self.text(name)
        if value is None:
            raise _constraint("null", name, "Member must not be null")
        return value

    def number(self, name: str, default: int, low: int, high: int) -> int:
        """Return an integer between `low` and `high`."""
        value = self.values.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int):
            raise ApiError("SerializationException", f"{name} is not an integer")
        if value < low:
            raise _constraint(value, name, f"Member must have value greater than or equal to {low}")
        if value > high:
            raise _constraint(value, name, f"Member must have value less than or equal to {high}")
        return value

    def flag(self, name: str, default: bool = False) -> bool:
        """Return a boolean parameter."""
        value = self.values.get(name, default)
        if not isinstance(value, bool):
            raise ApiError("SerializationException", f"{name} is not a boolean")
        return value

    def names(self, name: str, most: int) -> list[str]:
        """Return a list of 1 to `most` strings, empty when it is absent."""
        if name not in self.values:
            return []
        value = self.values[name]
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise ApiError("SerializationException", f"{name} is not a list of strings")
        if not 1 <= len(value) <= most:
            raise _constraint(value, name, f"Member must have length between 1 and {most}")
        return value

    def exclusive(self, one: str, other: str) -> None:
        """Refuse two parameters that may not stand together."""
        if one in self.values and other in self.values:
            raise invalid(f"{one} and {other} are mutually exclusive.")


@dataclass(frozen=True)
class Request:
    """A call that carries a key the stand-in accepts."""

    operation: str
    parameters: Parameters
    access_key: str
    caller: Caller
    region: str
    service: str

    @property
    def account(self) -> str:
        """The account that calls."""
        return self.caller.account

    @property
    def group(self) -> str:
        """The name of the log group it is about, empty when it is about none."""
        return self.parameters.group


def _constraint(value: object, name: str, rule: str) -> ApiError:
    return invalid(
        f"1 validation error detected: Value '{value}' at '{name}' failed to satisfy constraint: {rule}",
    )
