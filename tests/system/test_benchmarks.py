"""The benchmarks run and print all their figures. What the figures are is not tested: nothing here is about speed."""

import math
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MACHINE = ("cores ", "Python ", "boto3 ", "net.unix.max_dgram_qlen ", "load average before ")
_FIGURE = re.compile(r"-?\d[\d,]*(\.\d+)?|nan|-?inf")
#: As much of Wazuh's module as the benchmark of it rests on: the command line, the place of its receiver, GetLogEvents.
_MODULE = """\
import argparse, pathlib, socket, subprocess, boto3
import pyarrow.parquet
parser = argparse.ArgumentParser()
for name in ("service", "regions", "aws_log_groups", "only_logs_after", "service_endpoint", "sts_endpoint"):
    parser.add_argument("--" + name)
options = parser.parse_args()
home = pathlib.Path(__file__).parents[2]
assert b"WAZUH_VERSION" in subprocess.check_output([home / "bin" / "wazuh-control", "info"])
boto3.client("sts").get_caller_identity()
client = boto3.client("logs", region_name=options.regions, endpoint_url=options.service_endpoint)
group, token = options.aws_log_groups, {}
sender = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
sender.connect(str(home / "queue" / "sockets" / "queue"))
stream = client.describe_log_streams(logGroupName=group)["logStreams"][0]["logStreamName"]
while True:
    page = client.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True, **token)
    if not page["events"]:
        break
    for event in page["events"]:
        sender.send(b"1:Wazuh-AWS:" + event["message"].encode())
    token = {"nextToken": page["nextForwardToken"]}
"""


@pytest.mark.slow
def test_throughput_is_printed_for_each_workload_with_its_parts_and_the_stand_ins_limits() -> None:
    """A figure that is missing would be taken for one that does not matter."""
    printed = _run("pipeline", "--events", "2000", "--workload", "text auto", "--workload", "json raw")

    rows = _rows(printed, ["text auto", "json raw"])
    roles = {"fetcher", "normalizer", "forwarder", "run", "Redis", "unseen"}
    both = {"cwpipe", "plain loop", "ratio"}
    assert rows["events/s, all in"] == rows["events/s, steady"] == both
    assert rows["CPU us/event, all in"] == rows["CPU us/event, steady"] == roles | both
    assert {f"{name}, CPU ms" for name in roles | {"cwpipe", "plain loop"}} < rows["start and stop"]
    assert rows["peak memory, MiB"] == roles - {"unseen"}
    assert {"CloudWatch, alone, events/s", "receiver, alone, datagrams/s"} < rows[next(reversed(rows))]


@pytest.mark.slow
def test_each_hop_is_measured_alone_and_a_model_follows() -> None:
    """The ceilings of the hops are what the model for more cores is made of."""
    printed = _run("hops", "--events", "4000", "--replicas", "1")
    measured, model = printed.split("model, from")

    rows = _rows(measured, ["fetcher", "normalizer", "forwarder"])
    assert set(rows) == {"events/s", "CPU us/event", "CPU us/event of Redis", "own core"}
    assert all(names == {"1 of each"} for names in rows.values())
    (modelled,) = _rows(model, ["1 of each", "2 of each", "4 of each", "8 of each"]).values()
    hops = {"fetcher, events/s", "normalizer, events/s", "forwarder, events/s", "Redis, events/s"}
    assert modelled == hops | {"all, events/s", "cores busy with it"}


@pytest.mark.slow
def test_latency_is_printed_by_rate_and_part() -> None:
    """The parts say where the time goes."""
    rows = _rows(_run("latency", "--rate", "100", "--seconds", "4"), ["100/s"])

    parts = ("in all", "our share", "fetched", "normalizer waits", "normalized", "forwarder waits", "forwarded")
    assert set(rows) == {*(f"{part}, ms" for part in parts), "events measured"}
    assert all(rows[f"{part}, ms"] == {"p50", "p99", "max"} for part in parts)


@pytest.mark.slow
def test_memory_is_printed_by_role_and_by_queue() -> None:
    """Whether a role's memory grows is seen only beside what it was before."""
    course, queued = _run("memory", "--events", "20000", "--queued", "2000").split("bytes in Redis")

    rows = _rows(course, ["at 10%", "at 50%", "at 95%", "peak"])
    assert rows["resident, MiB"] == {"fetcher", "normalizer", "forwarder", "run", "Redis"}
    title, _, below = queued.partition("\n")
    assert "an event" in title
    assert {name for name, _ in _figures(below, 3)} == {
        "queued for the normalizer",
        "queued for the forwarder",
        "delivered",
    }


@pytest.mark.slow
def test_the_start_of_each_role_is_printed_with_its_imports() -> None:
    """A start that grew is explained by what it imports."""
    starts, imports = _run("start", "--repeats", "1").split("imports of the fetcher", 1)

    rows = _rows(starts, ["wall", "CPU", "wall, least"])
    assert rows["ms until ready, median of 1"] == {"--help", "fetcher", "normalizer", "forwarder"}
    assert len(_figures(imports, 1)) >= 30


@pytest.mark.slow
def test_wazuhs_own_module_is_measured_by_the_same_means(tmp_path: Path) -> None:
    """What cwpipe replaces is what it has to be compared with; the module itself is the user's to bring."""
    module = tmp_path / "wodles" / "aws"
    module.mkdir(parents=True)
    (module / "aws-s3.py").write_text(_MODULE)
    (module.parent / "utils.py").touch()

    rows = _rows(_run("wodle", "--wodle", str(module), "--events", "2000"), ["text", "json"])

    assert {"events/s, all in", "CPU us/event, steady", "start and stop, ms"} < set(rows)
    assert all(names == {"cwpipe, format raw", "wodle"} for names in rows.values())


@pytest.mark.slow
def test_profiles_are_written_for_each_role_or_it_is_said_what_is_missing(tmp_path: Path) -> None:
    """py-spy is not among what the tests need."""
    words = [sys.executable, "-m", "tests.benchmarks.flames", "--events", "2000", "--into", str(tmp_path)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)

    if not shutil.which("py-spy", path=str(Path(sys.executable).parent)):
        assert (done.returncode, done.stderr) == (2, "there is no py-spy: `make bench-profile` installs it\n")
    else:
        assert done.returncode == 0, done.stderr[-3_000:]
        assert {path.name for path in tmp_path.iterdir()} == {"fetcher.svg", "normalizer.svg", "forwarder.svg"}


def _run(module: str, *options: str) -> str:
    words = [sys.executable, "-m", f"tests.benchmarks.{module}", *options]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr[-3_000:]
    assert all(each in done.stdout for each in MACHINE), "a figure is worth nothing without what it was measured on"
    return done.stdout


def _rows(printed: str, columns: list[str]) -> dict[str, set[str]]:
    """Return the names of the rows by section; each has a finite figure in every column, and the columns their names."""
    assert re.search(r" +".join(map(re.escape, columns)), printed), f"no table of {columns}"
    found: dict[str, set[str]] = {}
    section = ""
    for line in printed.splitlines():
        if not line.startswith("  "):
            section = line.strip() or section
        else:
            names = [name for name, _ in _figures(line, len(columns))]
            found.setdefault(section if names else "", set()).update(names)
    return {section: names for section, names in found.items() if names}


def _figures(printed: str, columns: int) -> list[tuple[str, list[float]]]:
    """Return name and figures of each row of a table with so many columns."""
    found = []
    for line in printed.splitlines():
        words = line.rsplit(maxsplit=columns)
        if line.startswith("  ") and all(_FIGURE.fullmatch(word) for word in words[-columns:]):
            name = words[0].strip() if len(words) > columns else ""
            figures = [float(word.replace(",", "")) for word in words[-columns:]]
            assert all(map(math.isfinite, figures)), line
            found.append((name, figures))
    return found
