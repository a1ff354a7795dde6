"""`cwpipe identity`: as whom each source reads."""

from collections.abc import Callable

from shared.aws.identity import identity
from shared.aws.sessions import SourceSession
from shared.errors import Incomplete, SourceError
from shared.settings.load import Loaded, require_sources
from shared.visible import visible


def show(loaded: Loaded, say: Callable[[str], None] = print) -> None:
    """Say for each source which account and user or role AWS takes it for. Blocks on the network; changes nothing.

    Raises SettingsError when no source is given, Incomplete when AWS does not tell of one.
    """
    require_sources(loaded)
    unknown = 0
    for source in loaded.settings.sources:
        try:
            found = identity(SourceSession(source), source.regions[0])
        except SourceError as error:
            unknown += 1
            say(visible(f"FAIL  {error}"))
            continue
        asked = (
            f", role_arn {source.role_arn}"
            if source.role_arn
            else f", profile {source.profile}"
            if source.profile
            else ""
        )
        say(
            visible(
                f"ok    source {source.name}: account {found.account_id}, {found.arn}; "
                f"credentials from {found.found_by}{asked}"
            )
        )
    if unknown:
        raise Incomplete(
            f"of {unknown} of {len(loaded.settings.sources)} sources nobody knows who reads: see FAIL above"
        )
