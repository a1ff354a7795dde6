"""Which calls of DescribeLogGroups find the groups of some entries of the settings: the fewest that AWS allows. Pure.

AWS narrows the list by the beginning of a name, by a part of it, or to fifty named groups. What a call with a part
answers lacks class and retention, so it costs a second one for every fifty groups: only a part that says more than the
beginning is worth that.
"""

from collections.abc import Iterable, Iterator

from msgspec import Struct
from msgspec.structs import replace

from shared.settings.log_groups import ANY, Entry

#: AWS takes so many identifiers, and so many accounts, in one call.
MAX_NAMES = 50
MAX_ACCOUNTS = 20
#: A shorter part of a name is in most of them.
LEAST_PART = 3

Accounts = tuple[str, ...] | None


class Lookup(Struct, frozen=True, kw_only=True):
    """One list of groups to ask for."""

    entries: tuple[Entry, ...]
    """What it is asked for."""
    prefix: str = ""
    part: str = ""
    names: tuple[str, ...] = ()
    """Names, or ARNs of linked accounts."""
    accounts: Accounts = None
    """None: the account of the credentials. Else linked ones; none at all: every one."""

    @property
    def is_of_one(self) -> bool:
        """Whether one group is all that it can bring."""
        return len(self.entries) == 1 and self.entries[0].is_exact

    def wants(self, account: str, log_group: str) -> bool:
        """Say whether a group that it brought is one of those it was asked for."""
        return any(entry.matches(account, log_group) for entry in self.entries)


def plan(entries: Iterable[Entry], region: str) -> list[Lookup]:
    """Return what to ask for in `region`."""
    here = [entry for entry in dict.fromkeys(entries) if entry.is_in(region) and entry.is_possible]
    own = [entry for entry in here if not entry.is_arn]
    return [*_planned(own, region), *_planned([entry for entry in here if entry.is_arn], region)]


def by_name(lookup: Lookup) -> Iterator[Lookup]:
    """Yield the same as one lookup a name, for a server that refuses a list of names."""
    for entry in lookup.entries:
        accounts = (entry.account,) if entry.is_arn else None
        yield Lookup(entries=(entry,), prefix=entry.name, accounts=accounts)


def _planned(entries: list[Entry], region: str) -> Iterator[Lookup]:
    """Yield the lookups of entries that are either all of the own account, or all ARNs."""
    listings: list[Lookup] = []
    globs = sorted((entry for entry in entries if not entry.is_exact), key=lambda entry: len(entry.prefix()))
    for entry in globs:
        _add(listings, _listing(entry))
    rest = [entry for entry in entries if entry.is_exact and not _taken(listings, entry)]
    for listing in listings:
        yield from _by_accounts(listing)
    if len(rest) == 1:
        yield from by_name(Lookup(entries=tuple(rest)))
        return
    for first in range(0, len(rest), MAX_NAMES):
        some = rest[first : first + MAX_NAMES]
        names = tuple(entry.arn(region) if entry.is_arn else entry.name for entry in some)
        yield Lookup(entries=tuple(some), names=names, accounts=() if some[0].is_arn else None)


def _listing(entry: Entry) -> Lookup:
    accounts: Accounts = None if not entry.is_arn else () if entry.account == ANY else (entry.account,)
    prefix, part = entry.prefix(), entry.part()
    if len(part) >= LEAST_PART and len(part) > len(prefix):
        return Lookup(entries=(entry,), part=part, accounts=accounts)
    return Lookup(entries=(entry,), prefix=prefix, accounts=accounts)


def _add(listings: list[Lookup], new: Lookup) -> None:
    """Add a listing, or its entries to one that brings the same groups and maybe more."""
    for number, listing in enumerate(listings):
        if (listing.prefix, listing.part) == (new.prefix, new.part):
            accounts = _together(listing.accounts, new.accounts)
            listings[number] = replace(listing, entries=listing.entries + new.entries, accounts=accounts)
            return
        if not listing.part and new.prefix.startswith(listing.prefix) and _holds(listing.accounts, new.accounts):
            listings[number] = replace(listing, entries=listing.entries + new.entries)
            return
    listings.append(new)


def _taken(listings: list[Lookup], entry: Entry) -> bool:
    """Have a listing that brings the group of an exact entry anyway do so; False if none does."""
    accounts = (entry.account,) if entry.is_arn else None
    for number, listing in enumerate(listings):
        if not listing.part and entry.name.startswith(listing.prefix) and _holds(listing.accounts, accounts):
            listings[number] = replace(listing, entries=(*listing.entries, entry))
            return True
    return False


def _together(one: Accounts, other: Accounts) -> Accounts:
    if one is None or other is None:
        return None
    return () if not one or not other else tuple(dict.fromkeys(one + other))


def _holds(accounts: Accounts, others: Accounts) -> bool:
    if accounts is None or others is None:
        return accounts is others
    return not accounts or (bool(others) and set(others) <= set(accounts))


def _by_accounts(listing: Lookup) -> Iterator[Lookup]:
    accounts = listing.accounts
    if not accounts:
        yield listing
        return
    for first in range(0, len(accounts), MAX_ACCOUNTS):
        yield replace(listing, accounts=accounts[first : first + MAX_ACCOUNTS])
