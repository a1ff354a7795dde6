"""The wheel: the same bytes whenever and wherever it is built, and all of cwpipe where only the wheel is."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import time
import venv
import zipfile
from pathlib import Path

import pytest

from tests.system.command import PATIENCE_SECONDS
from tests.system.host import Host, numbered

ROOT = Path(__file__).parents[2]
#: What `hatchling` reads here.
SOURCES = ("services", "shared", "pyproject.toml", "README.md", "LICENSE")
EVENTS = numbered(20)


def build(directory: Path, *, seconds_ago: int, umask: int, **environment: str) -> Path:
    """Copy the sources to `directory`, changed so long ago, and build the wheel there as `make wheel` does."""
    directory.mkdir(parents=True)
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, directory / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, directory / name)
    then = time.time() - seconds_ago
    for path in directory.rglob("*"):
        os.utime(path, (then, then))
        if path.is_file():
            path.chmod(0o666 & ~umask)
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel"],
        cwd=directory,
        env={"PATH": os.environ["PATH"], "HOME": str(directory), **environment},  # noqa: TID251 - handed on
        umask=umask,
        check=True,
        capture_output=True,
        timeout=PATIENCE_SECONDS,
    )
    (wheel,) = (directory / "dist").iterdir()
    return wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("build") / "a", seconds_ago=0, umask=0o022)


def test_it_is_the_same_wherever_and_whenever_it_is_built(wheel: Path, tmp_path: Path) -> None:
    """So anybody can build what a release has, and compare."""
    again = build(tmp_path / "other" / "place", seconds_ago=90_000, umask=0o077, TZ="Asia/Tokyo", LC_ALL="C")

    assert wheel.name == again.name
    assert hashlib.sha256(wheel.read_bytes()).digest() == hashlib.sha256(again.read_bytes()).digest()


def test_it_holds_every_source_and_what_the_dashboard_shows_and_no_test(wheel: Path) -> None:
    """The name of a test's secret has no business on a host."""
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    wanted = {
        str(path.relative_to(ROOT))
        for top in ("services", "shared")
        for path in (ROOT / top).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }

    assert wanted == inside
    assert [name for name in inside if name.endswith(".css")]
    assert [name for name in inside if name.endswith(".html")]


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command, installed by pip into an environment of its own: what it needs in reach, these sources out of it."""
    directory = tmp_path_factory.mktemp("installed")
    venv.create(directory, symlinks=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(directory / "bin" / "python")]
    subprocess.run([*pip, "install", "--quiet", "--no-index", "--no-deps", str(wheel)], check=True)
    # As a path alone: of a directory of sites, its own .pth files would count too, and one leads back to these sources.
    site = Path(sysconfig.get_path("purelib", vars={"base": str(directory), "platbase": str(directory)}))
    (site / "needed.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    return directory / "bin" / "cwpipe"


def test_it_comes_from_the_wheel(installed: Path, host: Host) -> None:
    """Or the tests below would prove nothing."""
    places = "import services, shared; print(services.__file__, shared.__file__)"
    done = host.shell.run("-c", places, program=(str(installed.with_name("python")), "-P"))

    assert 2 == len(done.out.split()), done.err
    for place in done.out.split():
        assert place.startswith(str(installed.parents[1]))


def test_it_helps_and_shows_its_settings(installed: Path, host: Host) -> None:
    """In an empty directory."""
    helped = host.shell.run("--help", program=(str(installed),))
    shown = host.shell.run("settings", program=(str(installed),))
    version = host.shell.run("--version", program=(str(installed),))

    assert (0, 0, 0) == (helped.exit_code, shown.exit_code, version.exit_code), shown.text
    assert "CloudWatch" in helped.out
    assert "queue_socket" in shown.out
    assert re.fullmatch(r"cwpipe, version \d+\.\d+\.\d+\n", version.out)


def test_it_delivers(installed: Path, host: Host) -> None:
    """All roles, the embedded server too, found by the command that was installed."""
    host.configure("/app/shop")
    host.put("/app/shop", EVENTS)
    done = host.shell.run(*host.once, program=(str(installed),))

    assert 0 == done.exit_code, done.text
    assert EVENTS == host.delivered("/app/shop")
