"""The templates: rq-dashboard's, mended as they are loaded, and ours, which take the place of theirs of the same name.

- Underscore's `<%= %>` puts text into a page as it is. A log group's name, an exception or a worker's name is text that
  others choose: it becomes `<%- %>`, which escapes. In every template, those of a later version too.
- The one script that stands in the page itself gets the nonce without which the gate's policy keeps it from running.
- What is not true of our queues, or of no use with them, goes.

Where a text to be mended is not found, the version is one that nobody has looked at, and nothing is served.
"""

import re
from collections.abc import Callable
from pathlib import Path

from jinja2 import BaseLoader, Environment, FileSystemLoader, PackageLoader, TemplateNotFound

from shared.errors import SettingsError

HERE = Path(__file__).parent

_INSERTED_AS_IT_IS = re.compile(r"<%=")
#: Text that is escaped already, which must not be escaped twice.
_ESCAPED = re.compile(r"\$\('<div/>'\)\.text\((?P<text>[^()]+)\)\.html\(\)")

#: Template -> texts in it, each there once, and what takes their place.
_MENDED = {
    "rq_dashboard/base.html": [
        ('<script type="text/javascript">', '<script nonce="{{ nonce }}">'),
        ("<title>RQ dashboard</title>", "<title>cwpipe: queues, jobs and workers</title>"),
        ("url_for('static', filename='favicon.ico')", "url_for('rq_dashboard.favicon')"),
        (
            'filename=\'css/main.css\') }}" rel="stylesheet">',
            'filename=\'css/main.css\') }}" rel="stylesheet">\n'
            "<link rel=\"stylesheet\" href=\"{{ url_for('cwpipe.static', filename='dashboard.css') }}\">",
        ),
        ("<body>", "<body class=\"{{ 'may-act' if actions else 'looks-only' }}\">"),
    ],
    "rq_dashboard/navbar.html": [
        ('<a class="navbar-brand">RQ-dashboard</a>', '<a class="navbar-brand" href="{{ rq_url_prefix }}">cwpipe</a>'),
    ],
    "rq_dashboard/jobs.html": [
        (
            "This list below contains all the queued jobs on queue <strong>{{ queue.name }}</strong>.",
            "Jobs <strong>{{ registry_name }}</strong> on queue <strong>{{ queue.name }}</strong>.",
        ),
        ("<th>Name</th>", "<th>Job</th>"),
    ],
}


class Templates(BaseLoader):
    """Loads ours, else theirs, mended."""

    def __init__(self) -> None:
        self._ours = FileSystemLoader(HERE / "templates")
        self._theirs = PackageLoader("rq_dashboard")

    def get_source(self, environment: Environment, template: str) -> tuple[str, str | None, Callable[[], bool] | None]:
        try:
            return self._ours.get_source(environment, template)
        except TemplateNotFound:
            source, path, is_current = self._theirs.get_source(environment, template)
            return mended(template, source), path, is_current

    def list_templates(self) -> list[str]:
        return sorted({*self._ours.list_templates(), *self._theirs.list_templates()})


def mended(template: str, source: str) -> str:
    """Return the source of one of rq-dashboard's templates as it is served. Raises SettingsError if it is a strange one."""
    for old, new in _MENDED.get(template, []):
        if source.count(old) != 1:
            raise SettingsError(
                [f"this version of rq-dashboard is unknown ({template} differs): install cwpipe[dashboard]"]
            )
        source = source.replace(old, new)
    return _INSERTED_AS_IT_IS.sub("<%-", _ESCAPED.sub(lambda match: match["text"], source))
