"""What the documents tell to type is there: commands, targets, services, files, settings."""

import re
import subprocess
import tomllib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import click
import pytest
import yaml

from services.__main__ import cli
from shared.settings.environment import EXTRA
from shared.settings.fields import tables, variables
from tests import doc_commands
from tests.doc_commands import ROOT

DOCUMENTS = doc_commands.documents()
COMPOSE_FILES = (ROOT / "docker-compose.yml", ROOT / "deploy/compose/wazuh-docker.yml")
COMPOSE = [yaml.safe_load(file.read_text()) for file in COMPOSE_FILES]
#: Of the project of wazuh-docker: services, which are names of hosts too.
OTHERS_SERVICES = {"wazuh.manager", "wazuh.master"}
#: What a command of a guide makes before it is named.
MADE = ("deploy/kubernetes/mine",)
#: Before `cwpipe` in a line: what runs it somewhere else.
RUNNERS = ("docker", "kubectl", "runuser", "sudo")
#: Of compose's commands and options: those that take services, and those that take a value.
SERVICE_COMMANDS = ("exec", "run", "restart", "logs", "ps", "up", "build", "stop", "start", "push", "pull", "create")
VALUED = ("--tail", "--entrypoint", "--env", "-e", "--user")
SETTINGS = {
    f"{name.removesuffix('[]')}.{field.encode_name}".lstrip(".") for name, table in tables() for field in table.fields
}
TABLES = {key.partition(".")[0] for key in SETTINGS if "." in key}

every_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())


@every_document
def test_each_command_of_cwpipe_is_there_with_its_options(document: Path) -> None:
    """A typing mistake in a document is found by the reader, at night."""
    faults = [
        fault
        for words in doc_commands.commands(document.read_text())
        if (arguments := arguments_of_cwpipe(words)) is not None and (fault := fault_of(arguments))
    ]

    assert [] == faults


@every_document
def test_each_target_of_make_is_there(document: Path) -> None:
    """The Makefile changes more often than those who tell of it."""
    targets = set(re.findall(r"^([\w./-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        word
        for words in doc_commands.commands(document.read_text())
        if words[0] == "make"
        for word in words[1:]
        if "=" not in word and not word.startswith("-")
    }

    assert set() == named - targets


@every_document
def test_each_service_and_profile_of_compose_is_there(document: Path) -> None:
    """Compose says "no such service", and no more."""
    known = {service for file in COMPOSE for service in file["services"]} | OTHERS_SERVICES
    profiles = {
        profile for file in COMPOSE for service in file["services"].values() for profile in service.get("profiles", ())
    }
    text = document.read_text()
    calls = [words[2:] for words in doc_commands.commands(text) if words[:2] == ["docker", "compose"]]

    assert set() == {name for words in calls for name in services_of(words)} - known
    assert (
        set()
        == (
            {after for words in calls for word, after in pairwise(words) if word == "--profile"}
            | set(re.findall(r"COMPOSE_PROFILES=([\w-]+)", text))
        )
        - profiles
    )


@every_document
def test_each_file_of_ours_is_there(document: Path) -> None:
    """By its path from the root, or a module by its name alone."""
    text = document.read_text()
    codes = re.findall(r"(?<!`)`([^`\n]+)`(?!`)", text)
    words = [word for line in doc_commands.commands(text) if line[0] != "kubectl" for word in line]
    paths = {
        path
        for word in [*codes, *words]
        for path in re.findall(r"^(?:deploy|docs|services|shared|tests)/[\w./*-]+$", word)
        if not path.startswith(MADE)
    }
    modules = {code for code in codes if re.fullmatch(r"[\w*]+\.py", code)}

    assert [] == sorted(path for path in paths if not any(ROOT.glob(path)) and not any(ROOT.glob(f"{path}.py")))
    assert [] == sorted(name for name in modules if not is_a_module(name))


@every_document
def test_each_setting_and_variable_is_there(document: Path) -> None:
    """An unknown key ends the start with exit code 2."""
    text = document.read_text()
    codes = re.findall(r"(?<!`)`([^`\n]+)`(?!`)", text)
    dotted = {code for code in codes if re.fullmatch(rf"({'|'.join(TABLES)})\.[a-z_]+", code)}
    assigned = {found[1] for code in codes if (found := re.match(r"([a-z_]+) = ", code))}
    compose = "".join(file.read_text() for file in (*COMPOSE_FILES, ROOT / ".env.example"))
    ours = {*variables(), *EXTRA, *re.findall(r"CWPIPE_[A-Z_]+", compose)}

    assert set() == {code for code in dotted - SETTINGS - OTHERS_SERVICES if not is_a_module(code)}
    assert set() == assigned - {key.rpartition(".")[2] for key in SETTINGS}
    assert set() == set(re.findall(r"\bCWPIPE_[A-Z_]+[A-Z]", text)) - ours


@every_document
def test_each_key_of_a_settings_file_is_there(document: Path) -> None:
    """Blocks of TOML are copied as they are."""
    blocks = re.findall(r"^```toml\n(.*?)^```", document.read_text(), re.DOTALL | re.MULTILINE)

    assert [] == [key for block in blocks for key in keys_of(tomllib.loads(block)) if key not in SETTINGS]


@every_document
def test_each_block_of_commands_is_a_script(document: Path) -> None:
    """A quotation mark that is missing swallows the rest of what was pasted."""
    blocks = re.findall(r"^```sh\n(.*?)^```", document.read_text(), re.DOTALL | re.MULTILINE)
    checked = [
        subprocess.run(["bash", "-n"], input=block, text=True, capture_output=True, check=False) for block in blocks
    ]

    assert [] == [shell.stderr for shell in checked if shell.returncode]


def test_the_extraction_finds_what_is_wrong() -> None:
    """A check that finds nothing anywhere would be content with everything."""
    text = (
        "`cwpipe stauts`\n\n    cwpipe audit --gruop x\n\n```sh\nX=1 .venv/bin/cwpipe plan --jsn > f\n```\n"
        "    docker compose exec dashboard cwpipe sattus\n"
    )
    found = [arguments_of_cwpipe(words) for words in doc_commands.commands(text)]

    assert 4 == len([arguments for arguments in found if arguments is not None and fault_of(arguments)])
    assert ["nobody"] == list(services_of(["--profile", "demo", "exec", "-T", "nobody", "sh"]))


def arguments_of_cwpipe(words: list[str]) -> list[str] | None:
    """Return what follows `cwpipe` in a command line, up to a redirection; None where it is no call of it."""
    while words and re.fullmatch(r"\w+=.*", words[0]):
        words = words[1:]
    at = [place for place, word in enumerate(words) if word == "cwpipe" or word.endswith("bin/cwpipe")]
    if words and words[0] in RUNNERS:
        start = words.index("--") if "--" in words else 3  # docker compose exec SERVICE
        at = [place for place in at if place > start]
    elif at and at[0] != 0:
        return None
    if not at or words[at[0] :][:2] == ["cwpipe", "part"]:  # a text that begins so: docs/wazuh.md
        return None
    arguments = words[at[0] + 1 :]
    for place, word in enumerate(arguments):
        if set(word) <= set("<>&"):
            return arguments[: place - 1 if place and arguments[place - 1].isdigit() else place]
    return arguments


def fault_of(arguments: list[str]) -> str:
    """Return what click has against these arguments; options that are left out in a text are none."""
    command: click.Command = cli
    try:
        while isinstance(command, click.Group):
            context = click.Context(command)
            _, rest, _ = command.make_parser(context).parse_args(list(arguments))
            if not rest:
                return ""
            _, found, arguments = command.resolve_command(context, rest)
            assert found is not None
            command = found
        command.make_context(command.name, list(arguments))
        return ""
    except (click.exceptions.MissingParameter, click.exceptions.Exit):
        return ""
    except click.ClickException as error:
        return f"{' '.join(arguments)}: {error.format_message()}"


def services_of(words: list[str]) -> Iterator[str]:
    """Yield the services that a command line of compose names."""
    scaled = [after.partition("=")[0] for word, after in pairwise(words) if word == "--scale"]
    yield from scaled
    verb = next((place for place, word in enumerate(words) if word in SERVICE_COMMANDS), None)
    if verb is None:
        return
    taken = False
    for word in words[verb + 1 :]:
        if set(word) <= set("<>&"):
            return
        if taken or word.startswith("-"):
            taken = not taken and word in (*VALUED, "--scale")
        elif not word.isupper():  # ROLE, for the reader to fill in
            yield word
            if words[verb] in ("exec", "run"):
                return


def is_a_module(name: str) -> bool:
    return any(any((ROOT / part).rglob(name)) for part in ("services", "shared", "tests", "docs"))


def keys_of(table: dict[str, object], prefix: str = "") -> Iterator[str]:
    """Yield the dotted keys of a file of settings."""
    for key, value in table.items():
        inner = value if isinstance(value, list) else [value]
        if all(isinstance(one, dict) for one in inner) and inner:
            for one in inner:
                assert isinstance(one, dict)
                yield from keys_of(one, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"
