"""What `cwpipe demo` does: fill a CloudWatch of its own, run the pipeline once, and show what arrived."""

import json
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from time import monotonic, sleep

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from services.demo.loader import DemoGroup
from shared.errors import CwpipeError, Incomplete, SettingsError
from shared.settings.places import neutral_environment

_SETTINGS = """\
[wazuh]
queue_socket = "{place}/queue"
stats_socket = "{place}/analysis"

[[sources]]
name            = "demo"
regions         = ["us-east-1", "eu-west-1"]
log_groups      = ["/demo/*"]
only_logs_after = "1d"
late_window     = "1d"

[log]
level = "warning"
"""

#: This very program's modules, whatever lies in the working directory.
_PYTHON = (sys.executable, "-P", "-m")
#: Longer than `cwpipe run` takes to stop its roles and its server.
_END_SECONDS = 60
_SAMPLE_CHARACTERS = 400


def demonstrate(events: int) -> None:
    """Run the demo and show it on standard output; everything it makes is in a directory that goes with it. Blocks.

    Raises SettingsError when the demo's extra packages are missing, Incomplete when not everything arrived.
    """
    try:
        import moto.server  # noqa: F401
    except ImportError:
        raise SettingsError(["the demo needs its extra packages: install cwpipe[demo], or run `make demo`"]) from None
    from services.demo import loader

    console = Console(highlight=False)
    signal.signal(signal.SIGTERM, _end_in_order)
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cwpipe-demo-")))
        endpoint_url = _start_cloudwatch(stack)
        console.print(f"A CloudWatch Logs of this machine's own answers at {endpoint_url}.", soft_wrap=True)
        began = monotonic()
        groups = loader.groups(events)
        loaded = {group.label: loader.load(group, endpoint_url) for group in groups}
        streams = sum(len(group.streams) for group in groups)
        console.print(
            f"Put {sum(loaded.values()):,} events into {len(groups)} log groups, 2 regions and {streams} streams, "
            f"real log lines of this machine among them ({monotonic() - began:.1f} s)."
        )
        receiver = _start_receiver(stack, place)
        console.print("\n[bold]$ cwpipe run --once[/bold]")
        code = _run(stack, place, endpoint_url)
        receiver.terminate()
        receiver.wait(10)
        report = json.loads((place / "received.json").read_text())
        if code:
            raise CwpipeError.with_code("the run did not end well, see above", code)
        _show(console, groups, loaded, report)


def _end_in_order(signum: int, _: object) -> None:
    """Have the way out, which ends what was started, begin now."""
    raise SystemExit(128 + signum)


def _start_cloudwatch(stack: ExitStack) -> str:
    command = [*_PYTHON, "services.demo.cloudwatch"]
    process = subprocess.Popen(command, env=neutral_environment(), stdout=subprocess.PIPE, text=True)
    stack.callback(_end, process)
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    if not url:
        raise CwpipeError("the stand-in of CloudWatch did not start")
    return url


def _start_receiver(stack: ExitStack, place: Path) -> subprocess.Popen[bytes]:
    arguments = [str(place / "queue"), "--report", str(place / "received.json")]
    process = subprocess.Popen([*_PYTHON, "services.demo.receiver", *arguments])
    stack.callback(_end, process)
    deadline = monotonic() + 10
    while not (place / "analysis").exists():
        if process.poll() is not None or monotonic() > deadline:
            raise CwpipeError("the stand-in of analysisd did not start")
        sleep(0.02)
    return process


def _run(stack: ExitStack, place: Path, endpoint_url: str) -> int:
    settings = place / "cwpipe.toml"
    settings.write_text(_SETTINGS.format(place=place))
    environment = neutral_environment()
    environment |= {"AWS_ACCESS_KEY_ID": "demo", "AWS_SECRET_ACCESS_KEY": "demo", "AWS_ENDPOINT_URL": endpoint_url}
    environment |= {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    arguments = ["run", "--once", "--config", str(settings), "--data-dir", str(place / "data")]
    # Not subprocess.run, which kills it a moment after Ctrl-C: it needs a little longer to stop what it started.
    process = subprocess.Popen([*_PYTHON, "services", *arguments], env=environment)
    stack.callback(_end, process)
    return process.wait()


def _show(console: Console, groups: list[DemoGroup], loaded: dict[str, int], report: dict[str, dict[str, int]]) -> None:
    table = Table(title="What arrived on the socket", title_justify="left", show_footer=True)
    table.add_column("region", footer="total")
    table.add_column("log group")
    table.add_column("streams", justify="right", footer=str(sum(len(group.streams) for group in groups)))
    table.add_column("put", justify="right", footer=f"{sum(loaded.values()):,}")
    table.add_column("arrived", justify="right", footer=f"{sum(report['counts'].values()):,}")
    for group in groups:
        name = group.label
        arrived = report["counts"].get(name, 0)
        table.add_row(group.region, group.name, str(len(group.streams)), f"{loaded[name]:,}", f"{arrived:,}")
    console.print()
    console.print(table)
    console.print("\nOne datagram of each group, as analysisd reads it:")
    for sample in report["samples"].values():
        console.print(f"  [dim]{escape(_shortened(str(sample)))}[/dim]", soft_wrap=True)
    if report["counts"] != loaded:
        raise Incomplete(f"put {loaded}, but {report['counts']} arrived")
    console.print("\nEvery event arrived, once.")


def _shortened(sample: str) -> str:
    return sample if len(sample) <= _SAMPLE_CHARACTERS else f"{sample[:_SAMPLE_CHARACTERS]} ..."


def _end(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.stdout is not None:
        process.stdout.close()
