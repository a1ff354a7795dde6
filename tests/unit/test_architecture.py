"""The rules of the tree that no linter keeps."""

import ast
import importlib.metadata
from pathlib import Path

import pytest

import services
import shared

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("package", [services, shared])
def test_our_top_level_packages_are_loaded_from_this_project(package: object) -> None:
    """Their names are common words: another distribution's package of the same name would take their place."""
    assert ROOT == Path(str(package.__file__)).parents[1]  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["services", "shared"])
def test_no_other_distribution_ships_a_package_of_our_names(name: str) -> None:
    """Two wheels with one package overwrite each other's files."""
    owners = importlib.metadata.packages_distributions().get(name, [])

    assert {"cwpipe"} >= set(owners)


def test_boto3_is_imported_in_one_package_and_by_the_demos_loader() -> None:
    """Who looks for what talks to AWS has one place to look; the loader plays an application that logs."""
    assert {"shared/aws", "services/demo"} == {str(path.parent) for path in _importing("boto3", "botocore")}


def test_rq_is_imported_behind_the_queues_and_the_worker_only() -> None:
    """The details of RQ that delivery rests on stay in three modules; the dashboard shows RQ and must know it."""
    others = {path for path in _importing("rq", "rq_dashboard") if path.parts[1] != "dashboard"}

    assert {Path("shared/bookkeeping.py"), Path("shared/queues.py"), Path("shared/worker.py")} == others


def test_every_module_says_in_its_first_line_what_it_is_for() -> None:
    """A stranger finds the place to change a behaviour from the tree alone."""
    silent = [
        str(path.relative_to(ROOT))
        for path in _modules()
        if path.read_text() and not ast.get_docstring(ast.parse(path.read_text()))
    ]

    assert [] == silent


def _modules() -> list[Path]:
    return [path for top in ("services", "shared") for path in sorted((ROOT / top).rglob("*.py"))]


def _importing(*packages: str) -> set[Path]:
    found = set()
    for path in _modules():
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            if any(name.split(".")[0] in packages for name in names):
                found.add(path.relative_to(ROOT))
    return found
