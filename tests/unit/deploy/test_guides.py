"""docs/systemd.md and docs/kubernetes.md: what their commands name is there. The commands need a host or a cluster."""

import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from services.__main__ import cli

ROOT = Path(__file__).parents[3]
SYSTEMD = (ROOT / "docs" / "systemd.md").read_text()
KUBERNETES = (ROOT / "docs" / "kubernetes.md").read_text()
COMMANDS = {
    "systemd.md": [line.strip() for line in SYSTEMD.splitlines() if line.startswith("    ") and " = " not in line],
    "kubernetes.md": "\n".join(re.findall(r"```sh\n(.*?)```", KUBERNETES, re.S)).splitlines(),
}
DOCUMENTS: list[dict[str, Any]] = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", KUBERNETES, re.S)]
ALL = [
    pytest.param(command, id=f"{guide}-{number}")
    for guide in COMMANDS
    for number, command in enumerate(COMMANDS[guide])
]


def test_there_are_commands() -> None:
    """Or the form of a guide has changed, and nothing is tested here."""
    assert min(len(commands) for commands in COMMANDS.values()) > 10
    assert len(DOCUMENTS) > 3


@pytest.mark.parametrize("command", ALL)
def test_every_file_of_ours_that_a_command_names_is_there(command: str) -> None:
    """`mine` is what the guide has just copied; `dist` is what `make wheel` writes."""
    for word in shlex.split(command):
        if re.match(r"deploy/(systemd|kubernetes)/|cwpipe\.example", word) and not word.startswith(
            "deploy/kubernetes/mine"
        ):
            assert list(ROOT.glob(word)), word


@pytest.mark.parametrize("command", ALL)
def test_every_unit_that_a_command_names_is_there(command: str) -> None:
    """`systemctl enable cwpipe-normalizer@2` means the template."""
    for word in shlex.split(command):
        if re.fullmatch(r"cwpipe(-[a-z]+(@\d)?)?(\.(service|target))?", word) and "systemctl" in command:
            unit = re.sub(r"@\d", "@", word)
            assert list((ROOT / "deploy/systemd").glob(unit if "." in unit else f"{unit}.service")), word


@pytest.mark.parametrize("command", ALL)
def test_every_command_of_cwpipe_is_one_with_these_options(command: str) -> None:
    """As its own parser sees it."""
    if found := re.search(r"(?:/bin/|-- )cwpipe (.+)$", command):
        name, *arguments = shlex.split(found[1])
        cli.commands[name].make_context(name, arguments, parent=click.Context(cli))


@pytest.mark.parametrize("command", COMMANDS["kubernetes.md"])
def test_every_workload_and_secret_that_a_command_names_is_ours(command: str) -> None:
    """`kubectl` would say that there is none."""
    manifests = "".join(path.read_text() for path in (ROOT / "deploy/kubernetes").rglob("*.yaml"))

    for name in re.findall(r" deploy/([\w-]+)(?= |$)", command):
        assert f"\n  name: {name}\n" in manifests
    for name in re.findall(r"create secret generic ([\w-]+)", command):
        assert f"secretName: {name}" in manifests


def test_every_target_of_make_is_one() -> None:
    """Of the Makefile's own."""
    makefile = (ROOT / "Makefile").read_text()
    targets = [
        command.split()[1] for commands in COMMANDS.values() for command in commands if command.startswith("make ")
    ]

    assert {"wheel", ".venv/ready"} == set(targets)
    assert all(re.search(rf"^{re.escape(target)}:", makefile, re.M) for target in targets)


def test_what_is_patched_by_its_place_stands_there() -> None:
    """A list has no names in a JSON patch."""
    (patch,) = [patch for document in DOCUMENTS for patch in document.get("patches", [])]
    (operation,) = yaml.safe_load(patch["patch"])
    deployments = [
        document
        for path in (ROOT / "deploy/kubernetes").rglob("*.yaml")
        for document in yaml.safe_load_all(path.read_text())
        if document["kind"] == "Deployment" and "selector" in document["spec"]
    ]

    assert 3 == len(deployments)
    for document in deployments:
        found: Any = document
        for part in operation["path"].strip("/").split("/"):
            found = found[int(part)] if part.isdigit() else found[part]
        assert document["spec"]["template"]["spec"]["containers"][0]["env"][1] == {
            "name": "CWPIPE_REDIS_URL",
            "value": found,
        }
        assert "cwpipe" == document["metadata"]["labels"]["app.kubernetes.io/part-of"]


def test_what_the_guide_has_beside_us_is_ours() -> None:
    """Components by their path, the image by the name that it has in the manifests."""
    for document in DOCUMENTS:
        for component in document.get("components", []):
            assert (ROOT / component.removeprefix("../cwpipe/") / "kustomization.yaml").is_file()
        for image in document.get("images", []):
            assert "cwpipe" == image["name"]
