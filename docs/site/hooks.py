"""What `mkdocs build` does beside mkdocs.yml: pages of the repository's root, and a place for pages that nobody gave one."""

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
#: Documents that live outside docs/, and what they are called on the site.
PAGES = {
    "README.md": "project/readme.md",
    "CHANGELOG.md": "project/changelog.md",
    "CONTRIBUTING.md": "project/contributing.md",
    "SECURITY.md": "project/security.md",
    "deploy/wazuh/README.md": "project/wazuh-rules.md",
}
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)#\s]+)(#[^)\s]*)?\)")
_CELL = re.compile(r"<td.*?</td>", re.DOTALL)
_CODE = re.compile(r"(?<=<code>)[^<]*")
_BREAKS = re.compile(r"(?<=\w)([_/.])(?=\w)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of the root, then the pages that `nav` does not name."""
    for name, page in PAGES.items():
        content = adapted((ROOT / name).read_text(), name)
        files.append(File.generated(config, page, content=content))
    assert config.nav is not None
    named = set(_names(config.nav))
    rest = sorted({file.src_uri for file in files.documentation_pages()} - named)
    decisions = [uri for uri in rest if uri.startswith("adr/")]
    more = [uri for uri in rest if not uri.startswith("adr/")]
    for section in config.nav:
        if "Decisions" in section:
            section["Decisions"] = decisions
    if more:
        config.nav.append({"More": more})
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001 - a hook's signature
    """Have links of a document to the repository's root lead to the pages made of it."""

    def link(found: re.Match[str]) -> str:
        if not found[3].startswith("../"):
            return found[0]
        path = (ROOT / "docs" / page.file.src_uri).parent.joinpath(found[3]).resolve().relative_to(ROOT).as_posix()
        if path in PAGES:
            up = "../" * page.file.src_uri.count("/")
            return f"[{found[2]}]({up}{PAGES[path]}{found[4] or ''})"
        return found[0] if path.startswith("docs/") else _unlinked(found[2], path)

    return markdown if page.file.src_uri in PAGES.values() else _LINK.sub(link, markdown)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:  # noqa: ARG001 - a hook's signature
    """Let long names in tables break behind an underscore, a slash or a dot, not in the middle of a word."""
    return _CELL.sub(lambda cell: _CODE.sub(lambda code: _BREAKS.sub(r"\1<wbr>", code[0]), cell[0]), html)


def adapted(text: str, name: str) -> str:
    """Return a page of the root with its links as they are from project/; what is not on the site loses its link."""

    def link(found: re.Match[str]) -> str:
        image, words, target, anchor = found[1], found[2], found[3], found[4] or ""
        if "://" in target or target.startswith("mailto:"):
            return found[0]
        path = (ROOT / name).parent.joinpath(target).resolve().relative_to(ROOT).as_posix()
        if path in PAGES:
            return f"{image}[{words}]({Path(PAGES[path]).name}{anchor})"
        if path.startswith("docs/") and (ROOT / path).is_file():
            return f"{image}[{words}](../{path.removeprefix('docs/')}{anchor})"
        return words if image else _unlinked(words, path)

    return _LINK.sub(link, text)


def _unlinked(words: str, path: str) -> str:
    return words if words.strip("`") == path else f"{words} (`{path}`)"


def _names(nav: object) -> list[str]:
    if isinstance(nav, str):
        return [nav]
    parts = nav.values() if isinstance(nav, dict) else nav if isinstance(nav, list) else []
    return [name for part in parts for name in _names(part)]
