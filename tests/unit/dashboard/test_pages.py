"""rq-dashboard's templates as they are served: nothing is inserted as it is, and a strange version is not served."""

import re

import pytest
import redis
from jinja2 import Environment, PackageLoader
from rq_dashboard import web

from services.dashboard import pages, reading
from services.dashboard.app import create_app
from services.dashboard.pages import Templates
from shared.errors import SettingsError

ENVIRONMENT = Environment(loader=Templates(), autoescape=True)
NAMES = Templates().list_templates()


def source(name: str) -> str:
    """Return a template as it is served."""
    return Templates().get_source(ENVIRONMENT, name)[0]


@pytest.mark.parametrize("name", NAMES)
def test_no_template_inserts_text_as_it_is(name: str) -> None:
    """Neither in the browser nor before, nor does it switch the escaping off but for what is JSON."""
    text = source(name)

    assert "<%=" not in text
    assert ".text(d." not in text  # escaped twice
    assert set(re.findall(r"\|\s*safe", text)) == set() or re.findall(r"\|\s*safe", text) == re.findall(
        r"(?<=tojson)\|\s*safe", text
    )
    assert "autoescape" not in text
    assert not re.search(r"\son\w+=", text)  # handlers in attributes: the policy would keep them from running


def test_there_are_templates_to_look_at() -> None:
    """Else the test above would show nothing; and theirs did insert text as it is."""
    theirs = PackageLoader("rq_dashboard")

    assert {"rq_dashboard/base.html", "rq_dashboard/jobs.html", "rq_dashboard/scripts/jobs.js"} < set(NAMES)
    assert "<%=" in theirs.get_source(ENVIRONMENT, "rq_dashboard/job.html")[0]
    assert "<%- d.description %>" in source("rq_dashboard/jobs.html")


@pytest.mark.parametrize("name", list(pages._MENDED))
def test_a_template_that_nobody_has_looked_at_is_not_served(name: str) -> None:
    """A new version of rq-dashboard is adopted on purpose."""
    with pytest.raises(SettingsError, match=r"this version of rq-dashboard is unknown .* install cwpipe\[dashboard\]"):
        pages.mended(name, "<p>something new</p>")


def test_a_new_template_is_served_escaped() -> None:
    """Even one that nobody has looked at inserts no text as it is."""
    assert "<p><%- name %></p>" == pages.mended("rq_dashboard/new.html", "<p><%= name %></p>")


def test_the_scripts_of_a_page_are_escaped_too() -> None:
    """Flask escapes by a template's name, and would leave those that end in .js as they are."""
    app = create_app(redis.Redis(), "redis", actions=False)
    with app.test_request_context("/"):
        text = app.jinja_env.get_template("rq_dashboard/scripts/jobs.js").render(
            queue={"name": "');alert(1);('</script>"}, registry_name="", per_page=8, order="", page=1
        )

    assert "');alert" not in text
    assert "</script>" not in text


def test_rq_dashboard_works_on_classes_that_read_json() -> None:
    """Where it names a serializer, and where it names none."""
    create_app(redis.Redis(), "redis", actions=False)

    assert reading.Json is web.config.serializer
    assert (reading.AnyJob, reading.JsonQueue, reading.JsonWorker) == (web.Job, web.Queue, web.Worker)
