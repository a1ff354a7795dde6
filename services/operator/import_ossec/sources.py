"""All sources that one ossec.conf becomes, and what is to be said of them. Blocks on AWS where it is asked."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from services.operator.import_ossec.draft import Draft
from services.operator.import_ossec.options import draft
from services.operator.import_ossec.starts import Resumed, rfc_3339, split
from services.operator.import_ossec.state import GroupPlace, Stopped
from services.operator.import_ossec.unread import asked
from services.operator.import_ossec.xml import Element, read, shown
from shared.errors import SettingsError

SERVICE = "cloudwatchlogs"
#: Where nothing says which Region is meant.
REGION = "us-east-1"


class Imported:
    """What was made of one file. Raises SettingsError when it has no service of ours."""

    def __init__(self, file: Path, state: Mapping[GroupPlace, Stopped], *, ask_aws: bool = False) -> None:
        self._file = file
        self._state = state
        self._ask_aws = ask_aws
        self._names: set[str] = set()
        self._resumed: list[Resumed] = []
        self._said: list[str] = []
        self._read_by: dict[GroupPlace, tuple[object, object]] = {}
        wodles = [
            wodle for root in read(file) for wodle in root.all("wodle") if wodle.attributes.get("name") == "aws-s3"
        ]
        self.parts = [(self._about(wodle), list(self._drafts(wodle))) for wodle in wodles]
        self.drafts = [made for _, drafts in self.parts for made in drafts]
        self.todos = sum(len(made.todos) for made in self.drafts)
        if not self.drafts:
            raise SettingsError([f'{file}: there is no <wodle name="aws-s3"> with a <service type="{SERVICE}"> in it'])

    def summary(self) -> Iterator[str]:
        """Yield what was done, a line each, with all that has to be known of it."""
        on = [made for made in self.drafts if not made.is_off]
        off = len(self.drafts) - len(on)
        yield f"{len(on)} sources written" + (f", {off} more as comments" if off else "")
        yield from self._said
        for made in self.drafts:
            yield from (f"source {made.name}: {remark}" for remark in made.remarks)
            yield from (f"source {made.name}: TO DO: {todo}" for todo in made.todos)
        unused = len(self._state.keys() - {one.place for one in self._resumed})
        if unused:
            yield f"{unused} groups of the wodle's state are not taken up: no source has them, or it begins later"

    def _about(self, wodle: Element) -> str:
        others = [
            f"{child.name} {child.attributes.get('type', '')}".strip() for child in wodle.children if _is_foreign(child)
        ]
        about = f'From <wodle name="aws-s3"> at line {wodle.line} of {self._file}.'
        if others:
            stay = f"{shown(', '.join(others))}: not CloudWatch Logs, stays with the wodle"
            self._said.append(f"line {wodle.line}: {stay}")
            about += f" {stay}."
        return about

    def _drafts(self, wodle: Element) -> Iterator[Draft]:
        for service in wodle.all("service"):
            if service.attributes.get("type") == SERVICE:
                yield from self._sources(draft(service, wodle))

    def _sources(self, made: Draft) -> Iterator[Draft]:
        self._give_regions(made)
        self._see_sharing(made)
        state = asked(made, self._state) if self._ask_aws and not made.is_off else self._state
        for part, resumed in split(made, state):
            part.name = self._distinct(part.name)
            if resumed:
                self._resumed += resumed
                part.remarks += [_resumed(one) for one in resumed]
            yield part

    def _give_regions(self, made: Draft) -> None:
        if made.regions:
            return
        made.regions = sorted({region for region, group in self._state if group in made.log_groups})
        if made.regions:
            made.remarks.append("it names no regions: these are the ones that the wodle's state has its groups in")
        else:
            made.regions = [REGION]
            made.todos.append(
                f"it names no regions; the wodle took the one of the profile, or all there are: set them instead of {REGION}"
            )

    def _see_sharing(self, made: Draft) -> None:
        """Say where two services of different credentials had one place in the wodle's state."""
        credentials = (made.keys.get("profile"), made.keys.get("role_arn"))
        for place in ((region, group) for region in made.regions for group in made.log_groups):
            other = self._read_by.setdefault(place, credentials)
            if other != credentials and place in self._state:
                made.remarks.append(
                    f"group {place[1]} of {place[0]} is read with other credentials too; the wodle kept one place for both, so "
                    "events of one account may be missing in Wazuh, and come neither now: set only_logs_after to have them"
                )

    def _distinct(self, name: str) -> str:
        number, found = 1, name
        while found in self._names:
            number += 1
            found = f"{name}-{number}"
        self._names.add(found)
        return found


def _is_foreign(child: Element) -> bool:
    return child.name in {"bucket", "subscriber"} or (
        child.name == "service" and child.attributes.get("type") != SERVICE
    )


def _resumed(one: Resumed) -> str:
    stopped, (region, group) = one.stopped, one.place
    again_ms = stopped.newest_ms - stopped.least_ms
    words = f"group {group} of {region}: of {stopped.streams} streams, the wodle read "
    if stopped.ended:
        words += f"{stopped.streams - stopped.ended} (the others are over, or have nothing unread) "
    words += f"to {rfc_3339(stopped.least_ms)} at least"
    if again_ms:
        words += (
            f", one of them to {rfc_3339(stopped.newest_ms)}: what such a stream has of the {_span(again_ms)} between "
            "comes again"
        )
    return words


def _span(ms: int) -> str:
    for unit, name in ((86_400_000, "days"), (3_600_000, "hours"), (60_000, "minutes"), (1000, "seconds")):
        if ms >= 2 * unit:
            return f"{ms / unit:.1f} {name}"
    return f"{ms} ms"
