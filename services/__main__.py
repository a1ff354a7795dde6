"""`cwpipe`: the command line. Each command imports what it needs when it is called, so that `--help` is quick."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from shared.errors import CwpipeError

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

EXIT_CODES = """
\b
Exit codes:
  0  done
  1  crash: a fault of cwpipe's own, with a traceback
  2  bad usage or configuration: every fault is listed, with file and key
  3  something needed cannot be reached: Redis, or the receiver's socket
  4  incomplete: groups that could not be read, or events that could not be
     delivered, each named
"""

_config_option = click.option(
    "--config",
    type=click.Path(path_type=Path, readable=False),  # whoever reads it says better what is wrong with it
    metavar="FILE",
    help="Configuration file. Default: $CWPIPE_CONFIG, ./cwpipe.toml, /etc/cwpipe/cwpipe.toml.",
)
_data_dir_option = click.option(
    "--data-dir",
    type=click.Path(path_type=Path, readable=False),
    metavar="DIR",
    help="Where the embedded server keeps its data. Default: $XDG_STATE_HOME/cwpipe, or ~/.local/state/cwpipe.",
)


@click.group(context_settings=CONTEXT, epilog=EXIT_CODES)
@click.version_option(package_name="cwpipe")
def cli() -> None:
    """Bring Amazon CloudWatch Logs into Wazuh: every event, once, marked with where it came from.

    \b
    CloudWatch > fetcher > [raw] > normalizer > [enriched] > forwarder > analysisd

    Results go to standard output, logs to standard error.
    """


@cli.command()
@_config_option
@click.option("--once", is_flag=True, help="Read every group up to now, then exit.")
def fetcher(config: Path | None, once: bool) -> None:
    """Read log groups into the queue `raw`. One role, for one process or container."""
    from services.fetcher.__main__ import main as fetch

    fetch(_load(config), once=once)


@cli.command()
@_config_option
def normalizer(config: Path | None) -> None:
    """Make datagrams of the events on the queue `raw`. One role, for one process or container."""
    from services.normalizer.__main__ import main as normalize

    normalize(_load(config))


@cli.command()
@_config_option
def forwarder(config: Path | None) -> None:
    """Deliver the queue `enriched` to analysisd. One role, for one process or container."""
    from services.forwarder.__main__ import main as forward

    forward(_load(config))


@cli.command()
@_config_option
@_data_dir_option
@click.option("--once", is_flag=True, help="Deliver all there is now, then exit.")
@click.option("--json", "as_json", is_flag=True, help="With --once: end with one JSON line on standard output.")
def run(config: Path | None, data_dir: Path | None, once: bool, as_json: bool) -> None:
    """Run all roles on this host under one supervisor.

    Without a redis_url it starts a server of its own, whose data outlives it in --data-dir.
    """
    if as_json and not once:
        raise click.UsageError("--json needs --once: a run without an end has no summary; see `cwpipe status --json`")
    from services.supervisor.run import run as supervise

    supervise(_load(config), data_dir or _default_data_dir(), once=once, as_json=as_json)


@cli.command()
@_config_option
@_data_dir_option
def check(config: Path | None, data_dir: Path | None) -> None:
    """Try everything a run needs, a line each. Exit 0 only if all is well."""
    from services.operator.check import check as look

    look(_load(config), data_dir or _default_data_dir())


@cli.command()
@_config_option
@_data_dir_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
def status(config: Path | None, data_dir: Path | None, as_json: bool) -> None:
    """Show queues, workers, groups, dead letters and the books."""
    from services.operator.status import show

    show(_load(config), data_dir or _default_data_dir(), as_json=as_json)


@cli.command()
@_config_option
def health(config: Path | None) -> None:
    """Exit 0 while a role gets on with its work. The role touches alive_file: for a container's health check."""
    from shared.liveness import check as look

    look(_load(config).settings.alive_file)


@cli.command()
@click.argument("directory", type=click.Path(path_type=Path))
def passwords(directory: Path) -> None:
    """Make the passwords of a stack. They go into DIRECTORY, where there are none yet."""
    from services.operator.passwords import make

    make(directory)


@cli.command()
@_config_option
@_data_dir_option
def dashboard(config: Path | None, data_dir: Path | None) -> None:
    """Serve pages that show queues, jobs and workers, to those who know the password.

    The log says at the start which file holds the password.
    """
    from services.dashboard.__main__ import main as serve

    serve(_load(config), data_dir or _default_data_dir())


@cli.command()
@_config_option
def settings(config: Path | None) -> None:
    """Show what is in force, and where each value came from."""
    from services.operator.settings import show

    show(_load(config), sys.stdout)


@cli.command()
@click.option(
    "--events", type=click.IntRange(1_000, 1_000_000), default=24_000, show_default=True, help="About how many."
)
def demo(events: int) -> None:
    """Show the whole pipeline at work, with no AWS and no Wazuh. It runs on this machine and leaves nothing behind."""
    from services.demo.demo import demonstrate

    demonstrate(events)


def _load(config: Path | None) -> Any:
    from shared.settings.load import load

    return load(config)


def _default_data_dir() -> Path:
    from shared.settings.places import default_data_dir

    try:
        return default_data_dir()
    except RuntimeError:  # a user without a home, as in a container
        return Path("/var/lib/cwpipe")


def main() -> None:
    """Run the command that the arguments name, and exit with the code that EXIT_CODES documents."""
    sys.exit(_guarded(lambda: cli.main(standalone_mode=False, prog_name="cwpipe")))


def _guarded(command: Callable[[], object]) -> int:
    try:
        command()
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.Abort:
        return 130
    except click.ClickException as error:
        error.show()
        return 2
    except CwpipeError as error:
        for line in str(error).splitlines():
            click.echo(f"cwpipe: {line}", err=True)
        return error.exit_code
    return 0


if __name__ == "__main__":
    main()
