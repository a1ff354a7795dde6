"""What the environment says of the settings: a variable each, and one whole source."""

from collections.abc import Iterable, Mapping

from shared.settings.convert import Given
from shared.settings.fields import ALIASES, variables

CONFIG = "CWPIPE_CONFIG"
LOG_GROUPS = "CWPIPE_LOG_GROUPS"
#: Those of AWS's own tools count only where a source is given by variables.
REGIONS = ("CWPIPE_REGIONS", "AWS_REGION", "AWS_DEFAULT_REGION")

EXTRA = (CONFIG, LOG_GROUPS, REGIONS[0])
"""Variables of ours that are no setting's own."""


def without_empty(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that are set: compose files and unit files pass on empty ones for those that are not."""
    return {name: value.strip() for name, value in environ.items() if value.strip()}


def scalars(environ: Mapping[str, str]) -> dict[str, Given]:
    """Return dotted key -> what a variable gives for it."""
    found = {}
    for variable, key in variables().items():
        names = (variable, ALIASES.get(variable, variable))
        if name := next((name for name in names if name in environ), None):
            found[key] = Given(environ[name], name)
    return found


def source(environ: Mapping[str, str]) -> dict[str, object] | None:
    """Return the source that the variables give, or None. Without any region it has no `regions`."""
    if LOG_GROUPS not in environ:
        return None
    found: dict[str, object] = {
        "name": Given("environment", LOG_GROUPS),
        "log_groups": Given(_items(environ[LOG_GROUPS]), LOG_GROUPS),
    }
    if regions := next((name for name in REGIONS if name in environ), None):
        found["regions"] = Given(_items(environ[regions]), regions)
    return found


def unknown(environ: Mapping[str, str]) -> list[str]:
    """Return the CWPIPE_ variables that nothing reads.

    Kubernetes gives every pod such names for a Service called cwpipe: CWPIPE_SERVICE_HOST, CWPIPE_PORT_9108_TCP, ...
    """
    known = {*variables(), *EXTRA}
    services = [name.removesuffix("SERVICE_HOST") for name in environ if name.endswith("_SERVICE_HOST")]
    links = tuple(f"{service}{part}" for service in services for part in ("SERVICE_", "PORT"))
    ours: Iterable[str] = (name for name in environ if name.startswith("CWPIPE_"))
    return sorted(name for name in ours if name not in known and not name.startswith(links))


def _items(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]
