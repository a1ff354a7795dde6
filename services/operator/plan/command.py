"""`cwpipe plan`: a dry run. Which groups are read, by which source, and what that takes of AWS's quotas."""

from statistics import median

from services.operator.plan import calls as plan_calls
from services.operator.plan import groups as plan_groups
from services.operator.plan import json as plan_json
from services.operator.plan import report as plan_report
from services.operator.plan.groups import Place
from services.operator.plan.volume import Volumes
from shared.aws.logs_api import LogsApi
from shared.aws.sessions import SourceSession
from shared.errors import Incomplete
from shared.settings.load import Loaded, require_sources
from shared.settings.model import Source

#: What a call is taken to last where none was made to learn from.
SECONDS_A_CALL = 0.2


def show(loaded: Loaded, *, as_json: bool, metrics: bool) -> None:
    """Print the plan on standard output. Blocks on AWS; changes nothing.

    Raises SettingsError when no source is given, Incomplete when something cannot be read.
    """
    require_sources(loaded)
    plan = make(loaded, metrics=metrics)
    if as_json:
        plan_json.show_json(plan)
    else:
        plan_report.show_text(plan)
    if plan.found.faults:
        which = "; ".join(plan.found.faults) if as_json else "what is marked FAIL above"
        raise Incomplete(f"{len(plan.found.faults)} cannot be read: {which}")


def make(loaded: Loaded, *, metrics: bool) -> plan_json.Plan:
    """Return what was found out about the settings. Blocks on AWS."""
    places = [place for source in loaded.settings.sources for place in _places(source, metrics=metrics)]
    found = plan_groups.look(places)
    found.notes += [place.volumes.why for place in places if place.volumes is not None and place.volumes.why]
    calls = plan_calls.rates(found)
    took = [seconds for place in places for seconds in place.seconds]
    seconds = median(took) if took else SECONDS_A_CALL
    threads = loaded.settings.limits.fetch_threads
    return plan_json.Plan(
        found=found,
        calls=calls,
        fetchers=plan_calls.fetchers_wanted(calls, seconds, threads),
        threads=threads,
        seconds_a_call=seconds,
        advice=plan_calls.advice(calls),
    )


def _places(source: Source, *, metrics: bool) -> list[Place]:
    session = SourceSession(source)
    places = []
    for region in source.regions:
        calls: list[str] = []
        api = LogsApi(session, source.name, region, calls.append)
        volumes = Volumes(session, source.name, region) if metrics else None
        places.append(Place(source, api, volumes, calls))
    return places
