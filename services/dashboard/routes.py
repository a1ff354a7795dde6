"""Which of rq-dashboard's routes are open. What is not named here is closed, whatever a later version brings.

The lists are by endpoint, the values by the name of the argument in the path.
"""

import re
from collections.abc import Callable
from urllib.parse import urlsplit

from flask import abort, request

from shared.queues import RAW

#: They show, and change nothing in Redis.
READING = frozenset(
    {
        "cwpipe.static",
        "rq_dashboard.favicon",
        "rq_dashboard.job_info",
        "rq_dashboard.job_view",
        "rq_dashboard.jobs_overview",
        "rq_dashboard.list_jobs",
        "rq_dashboard.list_queues",
        "rq_dashboard.list_workers",
        "rq_dashboard.queues_overview",
        "rq_dashboard.static",
        "rq_dashboard.workers_overview",
    }
)
#: They delete, requeue or clean up: open with `[dashboard] actions` alone, and never by GET, which any link can make.
ACTIONS = frozenset(
    {
        "rq_dashboard.compact_queue",
        "rq_dashboard.delete_job_view",
        "rq_dashboard.empty_queue",
        "rq_dashboard.requeue_all",
        "rq_dashboard.requeue_job_view",
    }
)

MOST_JOBS_A_PAGE = 200
REGISTRIES = ("queued", "started", "finished", "failed", "scheduled", "deferred", "canceled")

_QUEUE_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_JOB_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")


def admit(*, actions: bool) -> None:
    """Let the request in hand through, or abort it."""
    if request.endpoint is None:
        return  # Flask has an answer to what no route fits
    if request.endpoint in READING:
        _require_method("GET", "HEAD")
    elif request.endpoint not in ACTIONS:
        abort(403, "This page is closed.")
    elif not actions:
        abort(403, "This is switched off here: actions = true in [dashboard] switches it on.")
    else:
        _require_method("POST")
        _require_same_origin()
    _require_sensible_values()


def _require_method(*methods: str) -> None:
    if request.method not in methods:
        abort(405)


def _require_same_origin() -> None:
    """Refuse what another site has the browser send: it sends the password along with it.

    All browsers say where a POST comes from, by one header or the other.
    """
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin", "")
    if not (site == "same-origin" if site else urlsplit(origin).netloc == request.host):
        abort(403, "This came from another site.")


def _require_sensible_values() -> None:
    values = request.view_args or {}
    if "queue_name" in values and values["queue_name"] is None:
        values["queue_name"] = RAW.queue  # the list of jobs, with no queue chosen yet
    if not all(name in _VALUES and _VALUES[name](value) for name, value in values.items()):
        abort(404)


def _is_number(value: object, most: int) -> bool:
    text = str(value)
    return text.isascii() and text.isdigit() and 1 <= int(text[:12]) <= most


_VALUES: dict[str, Callable[..., object]] = {
    "instance_number": lambda number: number == 0,
    "queue_name": _QUEUE_NAME.fullmatch,
    "job_id": _JOB_ID.fullmatch,
    "registry_name": lambda name: name in REGISTRIES,
    "order": lambda order: order in {"asc", "dsc"},
    "page": lambda page: _is_number(page, 10**9),
    "per_page": lambda count: _is_number(count, MOST_JOBS_A_PAGE),
    "filename": lambda _: True,  # Flask keeps within the directory of static files
}
