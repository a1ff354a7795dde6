"""What an entry of log_groups means: a name, a glob, or the ARN of a group that a linked account shows to this one.

/aws/lambda/*                                            groups of the account of the credentials
arn:aws:logs:eu-west-1:111122223333:log-group:/app/*     groups of that account, which need not be its own
arn:aws:logs:*:*:log-group:/app/*                        groups of every account that is linked, in every region
"""

import fnmatch
import re
from functools import lru_cache

from msgspec import Struct

from shared.messages import GroupRef
from shared.settings.model import Source

ANY = "*"

_GLOB = re.compile(r"[*?\[]")
#: What is between the literal parts of a glob.
_WILD = re.compile(r"\[!?\]?[^\]]*\]|[*?\[]")
#: What AWS allows in a name, and in the part of one that it is asked for.
_NAME = re.compile(r"[.\-_/#A-Za-z0-9]{1,512}")
_ARN = re.compile(
    r"arn:(?P<partition>aws[a-z-]*):logs:(?P<region>\*|[a-z]{2,}(?:-[a-z0-9]+)+-[0-9]+):(?P<account>\*|[0-9]{12})"
    r":log-group:(?P<name>[^:]+?)(?::\*)?",
    re.ASCII,
)
#: Beginning of a region's name -> the partition that it is in; all others are in `aws`.
_PARTITIONS = {
    "cn-": "aws-cn",
    "us-gov-": "aws-us-gov",
    "us-iso-": "aws-iso",
    "us-isob-": "aws-iso-b",
    "eu-isoe-": "aws-iso-e",
    "us-isof-": "aws-iso-f",
    "eusc-": "aws-eusc",
}


class Entry(Struct, frozen=True, kw_only=True):
    """One entry, taken apart."""

    text: str
    name: str
    """A name, or a glob."""
    account: str = ""
    """Empty: that of the credentials; else its number, or ANY."""
    region: str = ""
    """Empty or ANY: every region of the source."""
    partition: str = ""

    @property
    def is_arn(self) -> bool:
        """Whether it is reached by ARN, as groups of linked accounts must be."""
        return bool(self.account)

    @property
    def is_exact(self) -> bool:
        """Whether it names one group of a region, which is missing if it is not there."""
        return self.account != ANY and not _GLOB.search(self.name)

    @property
    def is_possible(self) -> bool:
        """Whether AWS would allow such a name; any glob may match one that it does."""
        return bool(_GLOB.search(self.name) or _NAME.fullmatch(self.name))

    def is_in(self, region: str) -> bool:
        """Say whether it means groups of `region`."""
        return self.region in ("", ANY, region)

    def arn(self, region: str) -> str:
        """Return the ARN of the one group of `region` that it names, in the form that logGroupIdentifier takes."""
        return f"arn:{self.partition}:logs:{region}:{self.account}:log-group:{self.name}"

    def matches(self, account: str, log_group: str) -> bool:
        """Say whether it covers a group of `account`. Upper and lower case differ, as in AWS."""
        return self.account in ("", ANY, account) and fnmatch.fnmatchcase(log_group, self.name)

    def narrowed(self, log_group: str) -> str:
        """Return the entry that covers, of what this one does, groups of exactly this name."""
        head, separator, _ = self.text.rpartition(":log-group:")
        return f"{head}{separator}{log_group}"

    def prefix(self) -> str:
        """Return what all names that it covers begin with."""
        valid = _NAME.match(_WILD.split(self.name)[0])
        return valid[0] if valid else ""

    def part(self) -> str:
        """Return the longest text that all names that it covers hold anywhere behind their beginning."""
        parts = [part for part in _WILD.split(self.name)[1:] if _NAME.fullmatch(part)]
        return max(parts, key=len, default="")


@lru_cache(maxsize=4096)
def read(text: str) -> Entry:
    """Return the entry that `text` stands for. Raises ValueError for an ARN that is none of a log group."""
    if not text.startswith("arn:"):
        return Entry(text=text, name=text)
    arn = _ARN.fullmatch(text)
    if arn is None:
        raise ValueError(text)
    return Entry(text=text, **arn.groupdict())


def partition(region: str) -> str:
    """Return the partition of AWS that `region` is in, as ARNs write it."""
    return next((name for start, name in _PARTITIONS.items() if region.startswith(start)), "aws")


def is_excluded(source: Source, log_group: str) -> bool:
    """Say whether `source` leaves a group of this name out."""
    return any(fnmatch.fnmatchcase(log_group, pattern) for pattern in source.exclude_log_groups)


def covers(source: Source, group: GroupRef) -> bool:
    """Say whether `source` means `group`, if that is of its account or of one linked to it."""
    if group.region not in source.regions or is_excluded(source, group.log_group):
        return False
    entries = (read(text) for text in source.log_groups)
    return any(entry.is_in(group.region) and entry.matches(group.account_id, group.log_group) for entry in entries)
