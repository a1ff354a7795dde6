"""`cwpipe`: the command line. Each command imports what it needs when it is called, so that `--help` is quick."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from shared.errors import CwpipeError, SettingsError

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
    from services.normalizer.explain_sample import hints
    from services.operator.check import check as look

    look(_load(config), data_dir or _default_data_dir(), hints=hints)


@cli.command()
@_config_option
@click.option("--message", required=True, metavar="FILE", help="The message of one event; - reads standard input.")
@click.option("--lines", "by_line", is_flag=True, help="Each line of FILE is an event.")
@click.option("--log-group", default="", metavar="NAME", help="The log group it is in: its name permits families.")
@click.option("--log-stream", default="", metavar="NAME", help="The log stream it is in.")
@click.option("--source", default="", metavar="NAME", help="Its source, instead of the first that has the group.")
@click.option("--region", default="", metavar="REGION", help="Its region, instead of the first of the source.")
@click.option("--account", default="", metavar="ID", help="Its account.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object an event instead of text, every byte exact.")
def explain(config: Path | None, *, by_line: bool, as_json: bool, **asked: str) -> None:
    """Show what becomes of an event, and why.

    Its family, its form, the datagrams. It reads FILE and the settings, if there are any, and needs nothing else.
    """
    from services.normalizer.explain_command import Asked, explain_file

    explain_file(_load(config), Asked(**asked), click.echo, by_line=by_line, as_json=as_json)


@cli.command()
@_config_option
@_data_dir_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
@click.option("--group", default="", metavar="PATTERN", help="All that is known of these groups; * ? and [...] match.")
@click.option(
    "--watch",
    type=click.FloatRange(0.5, 3600),
    is_flag=False,
    flag_value=2.0,
    metavar="[SECONDS]",
    help="Follow it on the whole screen, a look every 2 s or SECONDS; q quits.",
)
def status(config: Path | None, data_dir: Path | None, *, as_json: bool, group: str, watch: float | None) -> None:
    """Show queues, workers, groups, dead letters and the books."""
    if watch is not None and (as_json or group):
        raise click.UsageError("--watch takes neither --json nor --group: it shows what fits on the screen")
    if watch is not None:
        from services.operator.status.watch import watch as follow

        return follow(_load(config), data_dir or _default_data_dir(), watch)
    from services.operator.status.command import show

    return show(_load(config), data_dir or _default_data_dir(), as_json=as_json, group=group)


def _selectors(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that say which dead letters are meant; the command gets them as **selectors."""
    options = (
        click.option("--reason", default="", metavar="TEXT", help="Those whose reason contains TEXT, in any case."),
        click.option("--group", default="", metavar="NAME", help="Those of this log group; * ? and [...] match."),
        click.option("--since", default="", metavar="T", help='Not older than T: a date, RFC 3339, or an age ("2h").'),
        click.option("--until", default="", metavar="T", help="Older than T."),
    )
    for option in reversed(options):
        command = option(command)
    return command


_originals_option = click.option(
    "--kept-originals", "originals", is_flag=True, help="Kept originals of oversize events instead of dead letters."
)


@cli.group("dead-letters", context_settings=CONTEXT)
def dead_letters() -> None:
    """List, show, replay or discard what was not delivered.

    Kept originals of oversize events lie beside them.
    """


@dead_letters.command("list")
@_config_option
@_data_dir_option
@_selectors
@_originals_option
@click.option(
    "--limit", type=click.IntRange(0, 10_000), default=50, show_default=True, help="Entries shown, the newest."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line instead of text.")
def dead_letters_list(config: Path | None, data_dir: Path | None, limit: int, **options: Any) -> None:
    """Count them by reason and log group, and list the newest."""
    from services.operator.connection import connected
    from services.operator.dead_letters import command as letters
    from services.operator.dead_letters.selection import selection

    originals, as_json = options.pop("originals"), options.pop("as_json")
    wanted = selection(**options, originals=originals)
    with connected(_load(config), data_dir or _default_data_dir()) as client:
        letters.show_list(client, wanted, originals=originals, limit=limit, as_json=as_json)


@dead_letters.command("show")
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@_config_option
@_data_dir_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, every byte exact.")
@click.option("--raw", is_flag=True, help="The bytes of the message and nothing else, of one ID.")
def dead_letters_show(
    ids: tuple[str, ...], config: Path | None, data_dir: Path | None, as_json: bool, raw: bool
) -> None:
    """Show all of a dead letter or a kept original."""
    if raw and as_json:
        raise click.UsageError("--raw and --json exclude each other")
    from services.operator.connection import connected
    from services.operator.dead_letters import command as letters

    with connected(_load(config), data_dir or _default_data_dir()) as client:
        if raw:
            letters.export(client, ids)
        else:
            letters.show(client, ids, as_json=as_json)


@dead_letters.command("replay")
@click.argument("ids", metavar="[ID]...", nargs=-1)
@_config_option
@_data_dir_option
@_selectors
@click.option("--all", "everything", is_flag=True, help="All dead letters.")
def dead_letters_replay(ids: tuple[str, ...], config: Path | None, data_dir: Path | None, **selectors: Any) -> None:
    """Put dead letters back on their queues."""
    from services.operator.connection import connected
    from services.operator.dead_letters import command as letters
    from services.operator.dead_letters.selection import some

    wanted = some(ids, **selectors)
    with connected(_load(config), data_dir or _default_data_dir()) as client:
        letters.replay(client, ids, wanted)


@dead_letters.command("discard")
@click.argument("ids", metavar="[ID]...", nargs=-1)
@_config_option
@_data_dir_option
@_selectors
@click.option("--all", "everything", is_flag=True, help="All of them.")
@_originals_option
@click.option("--yes", is_flag=True, help="Do not ask.")
def dead_letters_discard(ids: tuple[str, ...], config: Path | None, data_dir: Path | None, **options: Any) -> None:
    """Remove them for good. The books keep them as dead-lettered."""
    from services.operator.connection import connected
    from services.operator.dead_letters import command as letters
    from services.operator.dead_letters.selection import some

    yes = options.pop("yes")
    wanted = some(ids, **options)

    def agreed() -> bool:
        if not yes and not sys.stdin.isatty():
            raise SettingsError(["nobody can be asked here, and nothing was discarded: add --yes"])
        return yes or click.confirm("Discard them for good?", err=True)

    with connected(_load(config), data_dir or _default_data_dir()) as client:
        letters.discard(client, ids, wanted, originals=options["originals"], agreed=agreed)


@cli.command()
@_config_option
@_data_dir_option
@click.option("--group", required=True, metavar="NAME", help="The log group, by its exact name.")
@click.option("--from", "begin", required=True, metavar="T", help="A date, an RFC 3339 time, or an age such as 2h.")
@click.option("--to", "end", required=True, metavar="T", help="The same; 0s is now.")
@click.option("--region", default="", metavar="REGION", help="Its region, where its source has several.")
@click.option("--source", default="", metavar="NAME", help="Its source, instead of the first that matches.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
def audit(config: Path | None, data_dir: Path | None, *, as_json: bool, **asked: str) -> None:
    """Prove that every event of a group was fetched once.

    It reads the group again. Exit 4 if something is missing, 0 if all is accounted for.
    """
    from services.operator.audit.command import Asked
    from services.operator.audit.command import audit as compare

    compare(_load(config), data_dir or _default_data_dir(), Asked(**asked), as_json=as_json)


@cli.group(context_settings=CONTEXT, invoke_without_command=True)
@_config_option
@_data_dir_option
@click.option("--group", default="", metavar="NAME", help="The log group, by its exact name.")
@click.option("--from", "begin", default="", metavar="T", help="A date, an RFC 3339 time, or an age such as 30d.")
@click.option("--to", "end", default="", metavar="T", help="The same, and itself not read; 0s is now.")
@click.option("--region", default="", metavar="REGION", help="Its region, where its source has several.")
@click.option("--source", default="", metavar="NAME", help="Its source, instead of the first that matches.")
@click.option("--again", is_flag=True, help="Deliver once more what a backfill delivered before.")
@click.pass_context
def backfill(
    context: click.Context, /, config: Path | None, data_dir: Path | None, *, again: bool, **asked: str
) -> None:
    """Read a past range of a log group beside the live tail.

    It asks for --group, --from and --to. Fetchers that run read it while the tail has nothing to do, each event once. What
    the tail delivers is not read again.
    """
    missing = [f"--{name}" for name, key in (("group", "group"), ("from", "begin"), ("to", "end")) if not asked[key]]
    if context.invoked_subcommand:
        if again or any(asked.values()):
            raise click.UsageError(
                f"`backfill {context.invoked_subcommand}` takes none of the options that ask for one"
            )
        return
    if missing:
        raise click.UsageError(f"{', '.join(missing)} missing: what is to be read? See also `list` and `cancel`")
    from services.operator.backfill.command import Asked, ask

    ask(_load(config), data_dir or _default_data_dir(), Asked(**asked), again=again)


@backfill.command("list")
@_config_option
@_data_dir_option
@click.option("--json", "as_json", is_flag=True, help="One JSON list instead of text.")
@click.pass_context
def backfill_list(context: click.Context, config: Path | None, data_dir: Path | None, *, as_json: bool) -> None:
    """Show the backfills asked for, with their progress."""
    from services.operator.backfill.command import show_list

    config, data_dir = _given(context, config, data_dir)
    show_list(_load(config), data_dir or _default_data_dir(), as_json=as_json)


@backfill.command("cancel")
@click.argument("backfill_id", metavar="ID")
@_config_option
@_data_dir_option
@click.pass_context
def backfill_cancel(context: click.Context, backfill_id: str, config: Path | None, data_dir: Path | None) -> None:
    """Have a backfill read no further. What it read is delivered."""
    from services.operator.backfill.command import cancel

    config, data_dir = _given(context, config, data_dir)
    cancel(_load(config), data_dir or _default_data_dir(), backfill_id)


def _given(context: click.Context, config: Path | None, data_dir: Path | None) -> tuple[Path | None, Path | None]:
    """Return both options, from before the name of the subcommand where they are not behind it."""
    before: dict[str, Any] = context.parent.params if context.parent else {}
    return config or before.get("config"), data_dir or before.get("data_dir")


@cli.command()
@_config_option
@click.option("--source", default="", metavar="NAME", help="For this source alone.")
@click.option("--principal", default="", metavar="NAME", help="Whose policy, where several are needed: it says which.")
@click.option("--without-metrics", is_flag=True, help="Leave out what only `audit` and `plan` ask CloudWatch for.")
@click.option("--explain", is_flag=True, help="As text, with the reason for each statement.")
def policy(config: Path | None, source: str, principal: str, *, without_metrics: bool, explain: bool) -> None:
    """Print the least IAM policy for these settings, as JSON.

    The reasons, a line for each statement, go to standard error.
    """
    from services.operator.policy.command import show

    show(_load(config), source=source, principal=principal, metrics=not without_metrics, explain=explain)


@cli.command()
@_config_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of text.")
@click.option("--without-metrics", is_flag=True, help="Do not ask CloudWatch how many bytes come in a day.")
def plan(config: Path | None, *, as_json: bool, without_metrics: bool) -> None:
    """Show what would be read, and how much of AWS's quotas.

    It calls AWS, reads no events, changes nothing, and needs neither Redis nor Wazuh.
    """
    from services.operator.plan.command import show

    show(_load(config), as_json=as_json, metrics=not without_metrics)


@cli.command()
@_config_option
def identity(config: Path | None) -> None:
    """Show as whom each source reads: account, and user or role.

    It asks AWS, which needs no permission.
    """
    from services.operator.identity import show

    show(_load(config), click.echo)


@cli.command("import-ossec")
@click.argument("file", type=click.Path(path_type=Path, readable=False))
@click.option(
    "--state",
    type=click.Path(path_type=Path, readable=False),
    metavar="DIR",
    help="Where the wodle keeps aws_services.db, usually /var/ossec/wodles/aws: go on from where it stopped.",
)
@click.option(
    "--ask-aws",
    is_flag=True,
    help="With --state: ask AWS which streams have something unread, a call for each that is behind its group.",
)
@click.option(
    "--ended-after",
    default="",
    metavar="T",
    help='With --state, without AWS: streams that end so long before the newest of their group ("7d") are over.',
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, readable=False),
    metavar="FILE",
    help="Write it there, where no file is yet. Default: standard output.",
)
def import_ossec(file: Path, state: Path | None, output: Path | None, *, ask_aws: bool, ended_after: str) -> None:
    """Make settings of an ossec.conf's `cloudwatchlogs` services.

    What has no counterpart here is said in comments and on standard error. Exit 4 when something is left to be done.
    """
    from services.operator.import_ossec.command import run

    run(file, state, ask_aws=ask_aws, ended_after=ended_after, output=output)


@cli.command()
@_config_option
def health(config: Path | None) -> None:
    """Exit 0 while a role gets on with its work. The role touches alive_file: for a container's health check."""
    from shared.liveness import check as look

    look(_load(config).settings.alive_file)


@cli.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--grafana", is_flag=True, help="That of Grafana's administrator alone, instead of the others.")
def passwords(directory: Path, *, grafana: bool) -> None:
    """Make the passwords of a stack. They go into DIRECTORY, where there are none yet."""
    from services.operator.passwords import make

    make(directory, grafana=grafana)


@cli.command()
@_config_option
@_data_dir_option
def dashboard(config: Path | None, data_dir: Path | None) -> None:
    """Serve pages that show queues, jobs and workers.

    They ask for a password: the log says at the start which file holds it.
    """
    from services.dashboard.__main__ import main as serve

    serve(_load(config), data_dir or _default_data_dir())


@cli.command()
@_config_option
@_data_dir_option
def metrics(config: Path | None, data_dir: Path | None) -> None:
    """Serve the state of queues, groups and books for Prometheus.

    Once for all workers, at the third port after that of metrics_address. `cwpipe run` does so by itself.
    """
    from services.operator.metrics.command import serve

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
