"""The documents as a site: built strictly, whole, and asking nobody for anything."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

from tests.doc_commands import ROOT

RULES = yaml.safe_load((ROOT / "deploy/prometheus/cwpipe.rules.yml").read_text())
RUNBOOKS = [rule["annotations"]["runbook"] for group in RULES["groups"] for rule in group["rules"] if "alert" in rule]
MKDOCS = Path(sys.executable).with_name("mkdocs")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site; a link or an anchor that leads nowhere is an error."""
    directory = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [MKDOCS, "build", "--strict", "--site-dir", directory],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},  # noqa: TID251 - handed on
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert 0 == built.returncode, built.stderr
    return directory


def test_every_document_is_a_page_that_the_navigation_leads_to(site: Path) -> None:
    """A page that nobody added to mkdocs.yml is found under More, not lost."""
    pages = {path.relative_to(ROOT / "docs").with_suffix(".html") for path in (ROOT / "docs").rglob("*.md")}
    linked = {Path(link.partition("#")[0]) for link in Links.of(site / "index.html").by("a", "href")}

    assert set() == pages - linked
    assert (site / "project/readme.html").exists()


def test_the_site_loads_nothing_from_elsewhere(site: Path) -> None:
    """Fonts and scripts of others tell them who reads; and it works without a network."""
    loading = (("script", "src"), ("link", "href"), ("img", "src"), ("iframe", "src"), ("source", "src"))
    loaded = {
        (page.relative_to(site).as_posix(), url)
        for page in site.rglob("*.html")
        for tag, attribute in loading
        for url in Links.of(page).by(tag, attribute)
        if "://" in url or url.startswith("//")
    }
    styles = "".join(style.read_text() for style in site.rglob("*.css"))

    assert set() == loaded
    assert [] == re.findall(r"(?:@import|url\()\s*[\"']?(?:https?:)?//[^)]*", styles)
    assert not list(site.rglob("*.py"))


@pytest.mark.parametrize("runbook", RUNBOOKS)
def test_each_alert_leads_to_what_to_do_about_it(site: Path, runbook: str) -> None:
    """At night, from a pager."""
    page, _, anchor = runbook.partition("#")
    assert page.startswith("docs/")
    built = site / Path(page).relative_to("docs").with_suffix(".html")

    assert anchor in Links.of(built).ids


class Links(HTMLParser):
    """What a page refers to, and the anchors it has."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self._found: list[tuple[str, str, str]] = []

    @classmethod
    def of(cls, page: Path) -> "Links":
        """Read a page."""
        links = cls()
        links.feed(page.read_text())
        return links

    def by(self, tag: str, attribute: str) -> list[str]:
        """Return the values of this attribute of these tags."""
        return [value for where, name, value in self._found if (where, name) == (tag, attribute)]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """See HTMLParser."""
        for name, value in attrs:
            self._found.append((tag, name, value or ""))
            if name == "id" and value:
                self.ids.add(value)
