"""The application: rq-dashboard's pages, on our reading of RQ, behind our routes."""

from collections.abc import Callable
from functools import partial
from typing import Any

import redis
from flask import Blueprint, Flask, current_app, make_response, render_template, request
from flask.typing import ResponseReturnValue
from rq.exceptions import InvalidJobOperation, NoSuchJobError
from rq.job import Job, requeue_job
from rq.serializers import JSONSerializer
from rq_dashboard import web
from werkzeug.exceptions import HTTPException

from services.dashboard import jobs, overview, reading, routes
from services.dashboard.gate import NONCE
from services.dashboard.pages import HERE, Templates
from shared import queues, store


class _App(Flask):
    redis_conn: redis.Redis
    """Where rq-dashboard looks for it."""

    def select_jinja_autoescape(self, filename: str | None) -> bool:  # noqa: ARG002 - Flask's signature
        """Escape in every template: Flask would not in the scripts that rq-dashboard includes in its pages."""
        return True


def create_app(client: redis.Redis, shown_as: str, *, actions: bool) -> Flask:
    """Return the application that shows what `client` leads to, called `shown_as` on the pages. Sends nothing yet."""
    app = _App(__name__, static_folder=None)
    app.config.update(
        CWPIPE_CLIENT=client,
        RQ_DASHBOARD_REDIS_URL=(shown_as,),
        RQ_DASHBOARD_DISABLE_DELETE=not actions,
    )
    app.redis_conn = client
    app.jinja_loader = templates = Templates()
    app.before_request(partial(routes.admit, actions=actions))
    app.context_processor(lambda: {"nonce": request.environ.get(NONCE, ""), "actions": actions})
    app.register_blueprint(web.blueprint)
    app.register_blueprint(Blueprint("cwpipe", __name__, static_folder=str(HERE / "static"), url_prefix="/cwpipe"))
    app.view_functions |= {f"rq_dashboard.{name}": web.jsonify(view) for name, view in _VIEWS.items()}
    for error in (HTTPException, NoSuchJobError, InvalidJobOperation, *store.AWAY):
        app.register_error_handler(error, _explain)
    for template in templates.list_templates():
        app.jinja_env.get_template(template)
    _have_rq_dashboard_read_json()
    return app


def _have_rq_dashboard_read_json() -> None:
    """Have rq-dashboard work with classes that know no pickle, on the client of the application that is asked."""
    web.config.serializer = reading.Json
    web.Job, web.Queue, web.Worker = reading.AnyJob, reading.JsonQueue, reading.JsonWorker
    web.requeue_job = _requeue
    web.get_queue_registry_jobs_count = jobs.page
    web.from_url = lambda *_, **__: (None, _client())
    web.RedisConnectionError = ()  # its own answer to that is two words, and 200


def _client() -> redis.Redis:
    client: redis.Redis = current_app.config["CWPIPE_CLIENT"]
    return client


#: What the pages ask for and we answer: more than RQ knows of our batches, and nothing of what it cannot read.
_VIEWS: dict[str, Callable[..., dict[str, Any]]] = {
    "job_info": lambda job_id, **_: jobs.details(job_id, _client()),
    "list_queues": lambda **_: {"queues": overview.queue_rows(_client())},
    "list_workers": lambda **_: {"workers": overview.worker_rows(_client())},
}


def _requeue(job_id: str, connection: redis.Redis) -> Job:
    """Requeue by RQ's own strict JSON: what cannot be read is written back as it was."""
    return requeue_job(job_id, connection=connection, serializer=JSONSerializer)


def _explain(error: Exception) -> ResponseReturnValue:
    """Answer an error with one sentence for the reader."""
    if isinstance(error, HTTPException):
        code, sentence = error.code or 500, error.description or error.name
    elif isinstance(error, NoSuchJobError):
        code, sentence = 404, f"There is no such job. One that is done is shown for {queues.RESULT_SECONDS} s."
    elif isinstance(error, InvalidJobOperation):
        code, sentence = 409, "Only a job that has failed can be requeued."
    else:
        code, sentence = 503, "Redis does not answer at the moment."
    response = make_response(render_template("message.html", sentence=sentence), code)
    if isinstance(error, HTTPException) and (allowed := getattr(error, "valid_methods", None)):
        response.headers["Allow"] = ", ".join(sorted(allowed))
    return response
