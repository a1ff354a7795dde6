"""From the wodle to cwpipe: its state is taken over, and nothing is skipped, nothing from before the start repeated."""

import time
from pathlib import Path

import pytest

from tests.standins.wodle import Wodle
from tests.system.command import Done
from tests.system.host import Host

WEST, EAST = "us-west-2", "us-east-1"
HOUR_MS = 3_600_000
DATA = Path(__file__).parents[1] / "data" / "ossec"


def ossec_conf(host: Host, groups: str, regions: str = EAST, more: str = "") -> Path:
    file = host.shell.directory / "ossec.conf"
    file.write_text(
        f"<ossec_config>\n<global><jsonout_output>yes</jsonout_output></global>\n<wodle name='aws-s3'>\n"
        f'<service type="cloudwatchlogs"><regions>{regions}</regions><aws_log_groups>{groups}</aws_log_groups>'
        f"<service_endpoint>{host.aws.endpoint_url}</service_endpoint>{more}</service></wodle></ossec_config>\n"
    )
    return file


def imported(host: Host, file: Path, *options: str | Path) -> Done:
    """Import into the host's configuration, and add where the receiver is."""
    done = host.shell.run("import-ossec", file, "--output", host.config, *options)
    if host.config.exists():
        host.config.write_text(
            f'[wazuh]\nqueue_socket = "{host.receiver.path}"\nstats_socket = ""\n\n{host.config.read_text()}'
        )
    return done


def run_once(host: Host) -> None:
    done = host.shell.run(*host.once)
    assert 0 == done.exit_code, done.text


class Events:
    """Puts numbered events into groups, and knows when each was."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.at: dict[str, int] = {}
        self.now = int(time.time() * 1000)

    def put(self, stream: str, hours_ago: float, *, group: str = "/app", region: str = EAST, count: int = 3) -> None:
        first = self.now - int(hours_ago * HOUR_MS)
        events = [(first + n, f"{region}{group}/{stream}-{hours_ago}h-{n}") for n in range(count)]
        self.at |= {text: at for at, text in events}
        self.host.aws.put(region, group, stream, events)


@pytest.fixture
def events(host: Host) -> Events:
    return Events(host)


@pytest.fixture
def wodle(host: Host) -> Wodle:
    return Wodle(host.shell.directory, host.aws.endpoint_url)


def test_nothing_is_skipped_and_nothing_from_before_the_start_comes_again(
    host: Host, events: Events, wodle: Wodle
) -> None:
    """A busy stream, a quiet one, one that the last run did not reach; then more, also of a stream that is new."""
    for stream, hours in (("busy", 9.0), ("busy", 3.0), ("quiet", 8.0), ("starved", 7.0)):
        events.put(stream, hours)
    wodle.poll(EAST, "/app", after_ms=events.now - 24 * HOUR_MS)
    events.put("busy", 2.0)
    events.put("starved", 4.0)
    wodle.poll(EAST, "/app", after_ms=events.now - 24 * HOUR_MS, not_reached={"starved"})
    events.put("busy", 1.0)
    events.put("new", 0.5)
    file = ossec_conf(host, "/app")
    done = imported(host, file, "--state", wodle.directory)
    assert 0 == done.exit_code, done.text
    run_once(host)

    delivered = host.delivered("/app")
    assert set(events.at) == set(wodle.sent) | set(delivered)
    start = min(events.at[text] for text in events.at if "quiet" in text) + 4  # its last event, one idle poll, one more
    assert len(set(delivered)) == len(delivered)
    assert {text for text in events.at if events.at[text] >= start} == set(delivered)
    assert "/app of us-east-1: of 3 streams, the wodle read to" in done.err
    assert "6.0 hours between comes again" in done.err


def test_streams_taken_to_be_over_hold_nothing_back(host: Host, events: Events, wodle: Wodle) -> None:
    """With --ended-after, the month-old stream of a group does not have the month come again."""
    events.put("old", 240.0)
    for hours in (30.0, 1.0):
        events.put("busy", hours)
    wodle.poll(EAST, "/app", after_ms=0)
    events.put("busy", 0.5)
    file = ossec_conf(host, "/app")
    done = imported(host, file, "--state", wodle.directory / "aws_services.db", "--ended-after", "7d")
    assert 0 == done.exit_code, done.text
    run_once(host)

    assert [text for text in events.at if "-0.5h" in text] == host.delivered("/app")
    assert "read 1 (the others are over" in done.err


def test_with_aws_asked_only_what_is_unread_holds_a_group_back(host: Host, events: Events, wodle: Wodle) -> None:
    """A month-old stream holds nothing back, one that the last runs did not reach does, from its first unread event on."""
    for stream, hours in (("old", 240.0), ("starved", 7.0), ("busy", 9.0), ("quiet", 8.0)):
        events.put(stream, hours)
    wodle.poll(EAST, "/app", after_ms=0)
    for stream, hours in (("busy", 6.0), ("starved", 4.0), ("busy", 3.0)):
        events.put(stream, hours)
    wodle.poll(EAST, "/app", after_ms=0, not_reached={"starved"})
    events.put("busy", 1.0)
    file = ossec_conf(host, "/app")
    calls_before = len(host.aws.calls)
    done = imported(host, file, "--state", wodle.directory, "--ask-aws")
    assert 0 == done.exit_code, done.text
    assert 3 == len(host.aws.calls) - calls_before
    run_once(host)

    assert set(events.at) == set(wodle.sent) | set(host.delivered("/app"))
    start = min(events.at[text] for text in events.at if "starved-4.0h" in text)
    assert sorted(text for text in events.at if events.at[text] >= start) == sorted(host.delivered("/app"))


def test_where_all_was_read_nothing_comes_again(host: Host, events: Events, wodle: Wodle) -> None:
    """The usual case, and that of a group that is gone."""
    for stream, hours in (("a", 9.0), ("b", 5.0), ("c", 2.0)):
        events.put(stream, hours)
        events.put(stream, hours, group="/gone")
    for group in ("/app", "/gone"):
        wodle.poll(EAST, group, after_ms=0)
    host.aws.remove_group(EAST, "/gone")
    host.aws.throttle("FilterLogEvents", 25, burst=1)
    file = ossec_conf(host, "/app,/gone")
    assert 0 == imported(host, file, "--state", wodle.directory, "--ask-aws").exit_code
    host.config.write_text(host.config.read_text().replace('"/gone"', '"/app"'))
    events.put("b", 1.0)
    run_once(host)

    assert [f"{EAST}/app/b-1.0h-{number}" for number in range(3)] == host.delivered("/app")


def test_where_aws_refuses_nothing_is_written(host: Host, events: Events, wodle: Wodle) -> None:
    """A guess would pass for an answer."""
    for stream, hours in (("a", 9.0), ("b", 5.0)):
        events.put(stream, hours)
    wodle.poll(EAST, "/app", after_ms=0)
    host.aws.fail("FilterLogEvents", "AccessDeniedException", "not you")
    done = imported(host, ossec_conf(host, "/app"), "--state", wodle.directory, "--ask-aws")

    assert 4 == done.exit_code
    assert "allow logs:FilterLogEvents there in the IAM policy" in done.err
    assert not host.config.exists()


def test_each_group_and_region_goes_on_from_its_own_place(host: Host, events: Events, wodle: Wodle) -> None:
    """Two groups, two Regions, one of them unknown to the state: that one begins at only_logs_after."""
    for region in (EAST, WEST):
        for group, hours in (("/a", 20.0), ("/b", 10.0)):
            events.put("web", hours, group=group, region=region)
    for region, group in ((EAST, "/a"), (EAST, "/b"), (WEST, "/a")):
        wodle.poll(region, group, after_ms=0)
        events.put("web", 5.0, group=group, region=region)
    file = ossec_conf(
        host,
        "/a,/b",
        f"{EAST},{WEST}",
        "<only_logs_after>" + time.strftime("%Y-%b-%d", time.gmtime(time.time() - 3 * 86_400)) + "</only_logs_after>",
    )
    assert 0 == imported(host, file, "--state", wodle.directory).exit_code
    run_once(host)

    delivered = host.delivered("/a") + host.delivered("/b")
    assert sorted(events.at) == sorted(wodle.sent + delivered)
    assert sorted(text for text in events.at if "-5.0h" in text or text.startswith(f"{WEST}/b")) == sorted(delivered)


def test_the_wodles_state_is_not_touched(host: Host, events: Events, wodle: Wodle) -> None:
    """The way back is to enable the wodle again."""
    events.put("web", 1.0)
    wodle.poll(EAST, "/app", after_ms=0)
    before = {path: path.read_bytes() for path in wodle.directory.glob("aws_services.db*")}
    assert 0 == imported(host, ossec_conf(host, "/app"), "--state", wodle.directory).exit_code

    assert before == {path: path.read_bytes() for path in wodle.directory.glob("aws_services.db*")}


def test_the_output_is_never_overwritten(host: Host) -> None:
    """Somebody may have worked on it."""
    host.config.write_text("# mine\n")
    done = host.shell.run("import-ossec", DATA / "manager.conf", "--output", host.config)

    assert (2, "# mine\n") == (done.exit_code, host.config.read_text())
    assert "is there already, and is not overwritten" in done.err


def test_what_is_left_to_do_ends_with_4_and_no_secret_is_shown(host: Host) -> None:
    """Keys stay where they are."""
    done = host.shell.run("import-ossec", DATA / "keys.conf")

    assert 4 == done.exit_code
    assert "access_key and secret_key are not copied" in done.err
    assert "EXAMPLE" not in done.text


def test_ten_megabytes_of_garbage_end_with_one_line(host: Host) -> None:
    """It is not read to its end."""
    file = host.shell.directory / "garbage"
    file.write_bytes(bytes(range(256)) * 40_000)
    done = host.shell.run("import-ossec", file)

    assert (2, "") == (done.exit_code, done.out)
    assert f"cwpipe: {file}: is larger than 1 MiB, so it is no ossec.conf\n" == done.err
