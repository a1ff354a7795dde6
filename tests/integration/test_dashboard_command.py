"""`cwpipe dashboard` as an operator starts it: a process of its own, asked over HTTP."""

import http.client
import signal
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from services.dashboard.app import create_app
from services.supervisor.embedded import EmbeddedServer
from shared import keys, store
from tests.eventually import eventually
from tests.receiver import Receiver
from tests.system.command import PATIENCE_SECONDS, Done, Running, Shell, clean_environment
from tests.unit.dashboard import states
from tests.unit.dashboard.states import JOB
from tests.unit.dashboard.visitor import basic, reading_paths
from tests.unit.forwarder.at_work import pause
from tests.unit.forwarder.factories import an_enriched_batch, put

PASSWORD = "a password of the test"


@pytest.fixture(scope="module")
def bytecode(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the commands keep compiled modules, on a machine that does not want them beside the sources."""
    return tmp_path_factory.mktemp("bytecode")


@pytest.fixture
def shell(tmp_path: Path, bytecode: Path) -> Iterator[Shell]:
    """A shell on a host where nothing is configured."""
    with Shell(tmp_path, clean_environment(tmp_path, bytecode)) as shell:
        yield shell


def ready(running: Running) -> None:
    """Wait until the dashboard says that it is."""
    eventually(lambda: "dashboard ready" in running.err or running.process.poll() is not None, PATIENCE_SECONDS)
    assert running.process.poll() is None, running.err


@pytest.fixture
def address() -> str:
    """An address that is free."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return f"127.0.0.1:{probe.getsockname()[1]}"


class Dashboard:
    """A running dashboard, and a browser before it."""

    def __init__(self, shell: Shell, redis_url: str, address: str, **env: str) -> None:
        self._password_file = shell.directory / "password"
        self._password_file.write_text(f"{PASSWORD}\n")
        self.address = address
        environment = {
            "CWPIPE_REDIS_URL": redis_url,
            "CWPIPE_DASHBOARD_ADDRESS": address,
            "CWPIPE_DASHBOARD_PASSWORD_FILE": str(self._password_file),
        }
        self.running: Running = shell.start("dashboard", env=environment | env)
        ready(self.running)

    def ask(self, path: str, method: str = "GET", password: str = PASSWORD) -> tuple[int, str]:
        """Return code and text of an answer."""
        connection = http.client.HTTPConnection(self.address, timeout=30)
        connection.request(method, path, headers=basic("cwpipe", password))
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace")
        connection.close()
        if answer.status == 308:
            return self.ask(answer.headers["Location"], method, password)
        return answer.status, text

    def faults(self, client: redis.Redis, **values: str) -> dict[str, int]:
        """Return each path that shows and does not answer 200, with what it answers."""
        paths = reading_paths(create_app(client, "redis", actions=False), **values)
        answers = {path: self.ask(path)[0] for path in paths}
        return {path: code for path, code in answers.items() if code != 200}


def said(done: Done) -> str:
    """Return the one line with which a command has refused."""
    (line,) = [line for line in done.err.splitlines() if line.startswith("cwpipe: ")]
    assert "Traceback" not in done.text
    return line


def test_every_page_answers_while_a_forwarder_works_and_when_it_is_idle(
    shell: Shell, client: redis.Redis, redis_url: str, receiver: Receiver, address: str
) -> None:
    """A real worker with a batch that its receiver does not take; then it does."""
    batch = an_enriched_batch(500)
    job_id = f"enriched-{batch.batch_id}"
    pause(receiver)
    put(client, batch)
    env = {"CWPIPE_REDIS_URL": redis_url, "CWPIPE_WAZUH_QUEUE_SOCKET": str(receiver.path)}
    shell.start("forwarder", env=env)
    dashboard = Dashboard(shell, redis_url, address)
    eventually(lambda: client.zcard("rq:wip:enriched"), PATIENCE_SECONDS)

    assert {} == dashboard.faults(client, job_id=job_id)
    assert job_id in dashboard.ask("/0/data/workers.json")[1]
    receiver.resume()
    eventually(lambda: not client.exists(keys.payload("enriched", batch.batch_id)))
    eventually(lambda: not client.zcard("rq:wip:enriched"))
    assert {} == dashboard.faults(client, job_id=job_id)
    assert "idle" in dashboard.ask("/0/data/workers.json")[1]
    assert "done" in dashboard.ask(f"/0/data/job/{job_id}.json")[1]


def test_nothing_is_shown_to_a_wrong_password_and_nothing_done_without_actions(
    shell: Shell, client: redis.Redis, redis_url: str, address: str
) -> None:
    """Over the wire too; and the log tells of it without telling the password."""
    states.failed(client)
    dashboard = Dashboard(shell, redis_url, address)

    assert 401 == dashboard.ask("/", password="wrong")[0]
    assert 401 == dashboard.ask("/static/css/main.css", password="")[0]
    assert 403 == dashboard.ask("/requeue/enriched")[0]
    assert 403 == dashboard.ask(f"/job/{JOB}/delete", "POST")[0]
    assert client.exists(f"rq:job:{JOB}")
    assert "wrong user or password" in dashboard.running.err
    assert PASSWORD not in dashboard.running.err


def test_no_pickle_is_loaded_in_the_process(
    shell: Shell, client: redis.Redis, redis_url: str, address: str, tmp_path: Path
) -> None:
    """Every page answers over a database of them."""
    job_ids = states.bombs(client, tmp_path / "crater")
    dashboard = Dashboard(shell, redis_url, address)

    assert {} == dashboard.faults(client, per_page="100")
    assert {200} == {dashboard.ask(f"/0/data/job/{job_id}.json")[0] for job_id in job_ids}
    assert not (tmp_path / "crater").exists()


def test_slow_clients_keep_nobody_waiting(shell: Shell, client: redis.Redis, redis_url: str, address: str) -> None:
    """More of them than there are threads, each in the middle of its request."""
    dashboard = Dashboard(shell, redis_url, address)
    host, _, port = address.rpartition(":")
    slow = [socket.create_connection((host, int(port))) for _ in range(20)]
    try:
        for connection in slow:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")

        assert 200 == dashboard.ask("/")[0]
    finally:
        for connection in slow:
            connection.close()


def test_pages_come_back_when_redis_does(shell: Shell, tmp_path: Path, address: str) -> None:
    """A dashboard outlives a restart of its Redis."""
    with EmbeddedServer(tmp_path / "valkey") as url:
        dashboard = Dashboard(shell, url, address)
        assert 200 == dashboard.ask("/0/data/queues.json")[0]
    code, text = dashboard.ask("/0/data/queues.json")
    assert (503, True) == (code, "Redis does not answer" in text)
    with EmbeddedServer(tmp_path / "valkey"):
        assert 200 == dashboard.ask("/0/data/queues.json")[0]


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_when_asked_to(
    shell: Shell, client: redis.Redis, redis_url: str, address: str, signum: signal.Signals
) -> None:
    """Cleanly, with a page open, and the address is free again."""
    dashboard = Dashboard(shell, redis_url, address)
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port))):
        done = dashboard.running.end(signum)

    assert 0 == done.exit_code
    assert "dashboard stopped" in done.err
    assert "Traceback" not in done.text
    assert "" == done.out


def test_it_gives_a_sign_of_life(
    shell: Shell, client: redis.Redis, redis_url: str, address: str, tmp_path: Path
) -> None:
    """For `cwpipe health`, as every role does."""
    alive = {"CWPIPE_ALIVE_FILE": str(tmp_path / "alive")}
    assert 3 == shell.run("health", env=alive).exit_code
    Dashboard(shell, redis_url, address, **alive)
    eventually((tmp_path / "alive").exists)

    assert 0 == shell.run("health", env=alive).exit_code


def test_a_password_is_made_once_and_kept_for_its_owner(
    shell: Shell, client: redis.Redis, redis_url: str, address: str, tmp_path: Path
) -> None:
    """The log names the file and not the password; the browser's copy holds after a restart."""
    arguments = ("dashboard", "--data-dir", tmp_path / "data")
    env = {"CWPIPE_REDIS_URL": redis_url, "CWPIPE_DASHBOARD_ADDRESS": address}
    file = tmp_path / "data" / "dashboard-password"
    texts = []
    for _ in range(2):
        running = shell.start(*arguments, env=env)
        ready(running)
        password = file.read_text().strip()
        texts.append(password)
        connection = http.client.HTTPConnection(address, timeout=30)
        connection.request("GET", "/", headers=basic("cwpipe", password))
        answer = connection.getresponse()
        answer.read()
        connection.close()
        assert 200 == answer.status
        err = running.end().err
        assert str(file) in err
        assert password not in err

    assert texts[0] == texts[1]
    assert len(texts[0]) >= 32
    assert 0o600 == stat.S_IMODE(file.stat().st_mode)
    assert 0o700 == stat.S_IMODE(file.parent.stat().st_mode)


def test_the_embedded_server_of_a_run_is_found_by_its_data_directory(
    shell: Shell, tmp_path: Path, address: str
) -> None:
    """As `cwpipe status` finds it; where nothing runs, nothing is made."""
    nothing = shell.run("dashboard", "--data-dir", tmp_path / "nowhere")
    assert 3 == nothing.exit_code
    assert "start `cwpipe run`" in said(nothing)
    assert not (tmp_path / "nowhere").exists()
    with EmbeddedServer(tmp_path / "data"):
        running = shell.start("dashboard", "--data-dir", tmp_path / "data", env={"CWPIPE_DASHBOARD_ADDRESS": address})
        ready(running)


def test_a_redis_with_a_password_is_opened_by_its_file(shell: Shell, tmp_path: Path, address: str) -> None:
    """As a stack has it: the password in a file that containers share, and in no variable."""
    secret = tmp_path / "redis-password"
    secret.write_text("s3cr3t of redis\n")
    with EmbeddedServer(tmp_path / "valkey") as url:
        store.connect(url).config_set("requirepass", "s3cr3t of redis")
        dashboard = Dashboard(shell, url, address, CWPIPE_REDIS_PASSWORD_FILE=str(secret))

        assert 200 == dashboard.ask("/0/data/queues.json")[0]
        assert "s3cr3t" not in dashboard.ask("/")[1]
        assert "s3cr3t" not in dashboard.running.end().text
        refused = shell.run("dashboard", env={"CWPIPE_REDIS_URL": url})
        assert (3, True) == (refused.exit_code, "refuses the password" in said(refused))


def test_an_address_that_is_taken_is_named(shell: Shell, client: redis.Redis, redis_url: str, tmp_path: Path) -> None:
    """Something needed cannot be had: exit code 3."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        env = {"CWPIPE_REDIS_URL": redis_url, "CWPIPE_DASHBOARD_ADDRESS": address}
        done = shell.run("dashboard", "--data-dir", tmp_path / "data", env=env)

    assert 3 == done.exit_code
    assert f"dashboard.address = {address}: address already in use" in said(done)


def test_a_redis_that_is_not_there_is_named(shell: Shell) -> None:
    """Exit code 3, and nothing is listened on."""
    done = shell.run("dashboard", env={"CWPIPE_REDIS_URL": "redis://:hidden@127.0.0.1:1/0"})

    assert 3 == done.exit_code
    assert "cannot be reached" in said(done)
    assert "hidden" not in done.text


def test_it_is_never_served_without_a_password(
    shell: Shell, client: redis.Redis, redis_url: str, tmp_path: Path
) -> None:
    """A file that is empty is a mistake and no wish for none: exit code 2."""
    file = tmp_path / "password"
    file.touch()
    env = {"CWPIPE_REDIS_URL": redis_url, "CWPIPE_DASHBOARD_PASSWORD_FILE": str(file)}
    done = shell.run("dashboard", env=env)

    assert 2 == done.exit_code
    assert f"dashboard.password_file = {file}" in said(done)


def test_where_no_password_can_be_kept_it_says_so(
    shell: Shell, client: redis.Redis, redis_url: str, tmp_path: Path
) -> None:
    """As in a container whose root is read-only."""
    (tmp_path / "file").touch()
    done = shell.run("dashboard", "--data-dir", tmp_path / "file" / "data", env={"CWPIPE_REDIS_URL": redis_url})

    assert 2 == done.exit_code
    assert "dashboard.password_file is not set" in said(done)


def test_every_fault_of_its_settings_is_listed(shell: Shell, tmp_path: Path) -> None:
    """With file and key, exit code 2."""
    config = tmp_path / "cwpipe.toml"
    config.write_text(
        'redis_password_file = "/x"\n[dashboard]\naddress = "here"\nuser = "a:b"\nactions = "yes"\ncolour = 1\n'
    )
    done = shell.run("dashboard", "--config", config)

    assert 2 == done.exit_code
    for key in ("redis_password_file", "dashboard.address", "dashboard.user", "dashboard.actions", "dashboard.colour"):
        assert f"{config}: {key}" in done.err


def test_packages_that_are_missing_are_named(shell: Shell, tmp_path: Path) -> None:
    """It is an extra. Exit code 2, before anything is asked or made."""
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / "waitress.py").write_text("raise ImportError('not here')\n")
    env = {"PYTHONPATH": str(tmp_path / "without"), "CWPIPE_REDIS_URL": "redis://127.0.0.1:1"}
    done = shell.run("dashboard", env=env)

    assert 2 == done.exit_code
    assert "install cwpipe[dashboard]" in said(done)
