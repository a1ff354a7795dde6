"""A browser's part: every route of the dashboard with values filled in, asked for with or without the password."""

import base64
import re
from collections.abc import Iterator
from typing import Any

import redis
from flask import Flask
from werkzeug.routing import Rule
from werkzeug.test import Client, TestResponse

from services.dashboard import routes
from services.dashboard.app import create_app
from services.dashboard.gate import Gate

USER, PASSWORD = "cwpipe", "correct horse battery"
HOST = "127.0.0.1:9181"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

#: Argument of a route -> a value that makes sense. A route with another one fails the tests, until somebody looks at it.
VALUES = {
    "instance_number": "0",
    "queue_name": "enriched",
    "registry_name": "queued",
    "per_page": "8",
    "order": "asc",
    "page": "1",
    "job_id": "enriched-g-1-0",
    "filename": "css/main.css",
}
_ARGUMENT = re.compile(r"<(?:\w+:)?(\w+)>")


def basic(user: str, password: str) -> dict[str, str]:
    """Return the header by which a browser sends user and password."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


LOGGED_IN = basic(USER, PASSWORD)


def path_of(rule: Rule, **values: str) -> str:
    """Return the path of a route with its arguments filled in."""
    if rule.endpoint == "cwpipe.static":
        values = {"filename": "dashboard.css"} | values
    return _ARGUMENT.sub(lambda match: (VALUES | values)[match[1]], rule.rule)


def reading_paths(app: Flask, **values: str) -> Iterator[str]:
    """Yield every path that only shows, each list of jobs for every registry."""
    for rule in app.url_map.iter_rules():
        if rule.endpoint in routes.READING:
            registries = routes.REGISTRIES if "registry_name" in rule.arguments else ("",)
            for registry in registries:
                yield path_of(rule, **{"registry_name": registry} | values)


class Visitor:
    """Asks an application of its own, behind the gate, as it is served."""

    def __init__(self, client: redis.Redis, *, actions: bool = False) -> None:
        self.app = create_app(client, "redis://redis:6379/0", actions=actions)
        self._browser = Client(Gate(self.app, USER, PASSWORD))

    def ask(self, path: str, method: str = "GET", **headers: str) -> TestResponse:
        """Ask with the password."""
        return self.ask_with(
            LOGGED_IN | {name.replace("_", "-"): value for name, value in headers.items()}, path, method
        )

    def ask_with(self, headers: dict[str, str], path: str, method: str = "GET") -> TestResponse:
        """Ask with these headers and no others."""
        return self._browser.open(
            path, method=method, headers=headers, base_url=f"http://{HOST}", buffered=True, follow_redirects=True
        )

    def data(self, path: str) -> Any:
        """Return what a page asks for as JSON."""
        answer = self.ask(path)
        assert 200 == answer.status_code, (path, answer.text)
        return answer.json

    def faults(self, **values: str) -> dict[str, int]:
        """Return each path that shows and does not answer 200, with what it answers."""
        answers = {path: self.ask(path).status_code for path in reading_paths(self.app, **values)}
        assert answers
        return {path: code for path, code in answers.items() if code != 200}
