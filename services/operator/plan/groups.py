"""Which log groups there are for these settings, who owns each, and whether it can be read. Blocks on AWS."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic

from services.operator.plan.found import Found, Look, PlannedGroup
from services.operator.plan.volume import Volumes
from shared import keys
from shared.aws import discovery
from shared.aws.logs_api import FoundGroup, LogsApi
from shared.errors import SourceError
from shared.settings.model import Source

#: Groups of one source and Region that are read from, to see whether that is allowed; a call each.
TRIED_GROUPS = 20
#: Groups of one account and Region that are listed to find those that no source reads, fifty a call.
LISTED_GROUPS = 10_000


@dataclass
class Place:
    """One source in one Region, and the calls made there."""

    source: Source
    api: LogsApi
    volumes: Volumes | None
    calls: list[str]
    """Operations called so far."""
    account_id: str = ""
    seconds: list[float] = field(default_factory=list)
    """How long calls took."""

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Note how long a call within took."""
        began = monotonic()
        yield
        self.seconds.append(monotonic() - began)

    @property
    def where(self) -> str:
        return f"source {self.source.name}, region {self.api.region}"


def look(places: list[Place]) -> Found:
    """Return what the settings match, and everything about it that AWS tells. Blocks; faults are noted, not raised."""
    found = Found()
    missing: dict[tuple[str, str], int] = {}
    for place in places:
        for name in _look(place, found):
            missing[place.source.name, name] = missing.get((place.source.name, name), 0) + 1
    for source in {place.source.name: place.source for place in places}.values():
        for name in source.log_groups:
            if missing.get((source.name, name)) == len(source.regions):
                where = ", ".join(source.regions)
                found.faults.append(
                    f"group {name}, source {source.name}: there is no log group of this name in {where}"
                )
    _list_the_rest(places, found)
    _name_accounts(places, found)
    return found


def _name_accounts(places: list[Place], found: Found) -> None:
    """Give a look that found nothing the account that the same credentials had elsewhere."""
    known: dict[tuple[str, ...], str] = {}
    for place in places:
        if place.account_id:
            known.setdefault(_credentials(place.source), place.account_id)
    for done in found.looks:
        done.account_id = done.account_id or known.get(_credentials(done.source), "")


def _credentials(source: Source) -> tuple[str, ...]:
    return source.profile, source.role_arn, source.external_id, source.endpoint_url


def _look(place: Place, found: Found) -> tuple[str, ...]:
    """Note the groups of one source in one Region; return the names that do not exist there."""
    made_before = place.calls.count("DescribeLogGroups")
    try:
        seen = discovery.look(place.source, place.api)
    except SourceError as error:
        found.faults.append(str(error))
        return ()
    if seen.denied is not None:
        found.faults.append(str(seen.denied))
    place.account_id = next((group.account_id for group in seen.groups), place.source.account_id)
    calls = place.calls.count("DescribeLogGroups") - made_before
    found.looks.append(Look(source=place.source, region=place.api.region, account_id=place.account_id, calls=calls))
    tried = 0
    for group in seen.groups:
        key = keys.group_key(discovery.reference(group, place.api.region))
        if key in found.groups:
            found.groups[key].others.append(place.source.name)
            continue
        planned = PlannedGroup(found=group, region=place.api.region, source=place.source)
        found.groups[key] = planned
        tried += _try(planned, place, found, allowed=tried < TRIED_GROUPS)
    if len(seen.groups) > TRIED_GROUPS:
        found.notes.append(f"{place.where}: reading was tried on {tried} of {len(seen.groups)} groups")
    return seen.missing


def _try(planned: PlannedGroup, place: Place, found: Found, *, allowed: bool) -> bool:
    """Find out whether a group can be read, and its volume; return whether a page was asked for."""
    name = planned.found.name
    if planned.found.log_class != discovery.READABLE_CLASS:
        planned.readable = False
        planned.why = f"class {planned.found.log_class} cannot be read: only {discovery.READABLE_CLASS}"
        found.faults.append(f"group {name}, {place.where}: {planned.why}; take it out of log_groups")
        return False
    if allowed:
        try:
            with place.timed():
                place.api.page(name, 0, 0)
            planned.readable = True
        except SourceError as error:
            planned.readable, planned.why = False, str(error)
            found.faults.append(str(error))
    if place.volumes is not None and planned.readable is not False:
        planned.bytes_a_day = place.volumes.bytes_a_day(name, planned.found.created_ms)
    return allowed


def _list_the_rest(places: list[Place], found: Found) -> None:
    """Note the groups that no source matches, once for each set of credentials and Region."""
    listed = set()
    for place in places:
        asked = (*_credentials(place.source), place.api.region)
        if asked in listed:
            continue
        listed.add(asked)
        try:
            for group in _all(place, found):
                key = keys.group_key(discovery.reference(group, place.api.region))
                place.account_id = place.account_id or group.account_id
                mark = (group.account_id, place.api.region, group.name)
                if key not in found.groups and mark not in found.unmatched:
                    found.unmatched.append(mark)
        except SourceError as error:
            found.notes.append(f"groups that no source reads are not known: {error}")


def _all(place: Place, found: Found) -> Iterator[FoundGroup]:
    for number, group in enumerate(place.api.groups("")):
        if number == LISTED_GROUPS:
            found.notes.append(f"region {place.api.region}: only the first {LISTED_GROUPS:,} groups were listed")
            return
        yield group
