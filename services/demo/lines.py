"""Log lines to show: real ones of the machine this runs on, and made-up ones of sshd and of an application."""

import gzip
import json
import random
import shutil
import subprocess
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

#: Where Debian and its relatives keep what they log as text; what is there and readable is used.
SOURCES = (
    "/var/log/dpkg.log*",
    "/var/log/apt/history.log*",
    "/var/log/apt/term.log*",
    "/var/log/alternatives.log*",
    "/var/log/syslog*",
    "/var/log/auth.log*",
    "/var/log/messages*",
)
#: No single file may drown the others.
LINES_A_FILE = 20_000


def of_this_machine() -> list[str]:
    """Return the log lines found here, never empty lines; no lines at all where nothing is readable."""
    lines: list[str] = []
    for pattern in SOURCES:
        for path in sorted(Path("/").glob(pattern.lstrip("/"))):
            try:
                lines.extend(islice(_lines_of(path), LINES_A_FILE))
            except (OSError, EOFError, zlib.error):
                continue  # of another owner, or cut while being compressed: there are others
    lines.extend(islice(_journal(), LINES_A_FILE))
    return lines


def of_sshd(seed: int) -> Iterator[str]:
    """Yield sshd's lines as syslog writes them, for ever."""
    chance = random.Random(seed)
    users = ("root", "admin", "backup", "deploy", "oracle", "test")
    while True:
        address = f"203.0.113.{chance.randrange(1, 255)}"
        pid, port, user = chance.randrange(300, 60_000), chance.randrange(1_025, 65_000), chance.choice(users)
        text = chance.choice(
            (
                f"Failed password for invalid user {user} from {address} port {port} ssh2",
                f"Failed password for {user} from {address} port {port} ssh2",
                f"Accepted publickey for {user} from {address} port {port} ssh2: ED25519 SHA256:demo",
                f"Connection closed by authenticating user {user} {address} port {port} [preauth]",
            )
        )
        yield f"Jan  1 00:00:{chance.randrange(60):02} web-{chance.randrange(1, 21):02} sshd[{pid}]: {text}"


def of_an_application(seed: int) -> Iterator[str]:
    """Yield JSON events as a web application would log them, for ever."""
    chance = random.Random(seed)
    while True:
        status = chance.choice((200, 200, 200, 201, 302, 404, 500))
        yield json.dumps(
            {
                "level": "ERROR" if status >= 500 else "INFO",
                "logger": "shop.http",
                "method": chance.choice(("GET", "POST")),
                "path": chance.choice(("/", "/cart", "/login", "/api/orders", "/api/orders/{id}")),
                "status": status,
                "duration_ms": round(chance.expovariate(1 / 40), 1),
                "client": {"ip": f"198.51.100.{chance.randrange(1, 255)}", "user": f"u{chance.randrange(5_000)}"},
                "request_id": f"{chance.getrandbits(64):016x}",
            }
        )


def _lines_of(path: Path) -> Iterator[str]:
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as opened:
        for line in opened:
            if text := line.decode(errors="replace").strip("\n"):
                yield text


def _journal() -> Iterator[str]:
    journalctl = shutil.which("journalctl")
    if journalctl is None:
        return
    try:
        asked = subprocess.run(
            [journalctl, "--no-pager", "--quiet", "--output=short", f"--lines={LINES_A_FILE}"],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=20,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return  # the demo goes on without it
    yield from (line for line in asked.stdout.splitlines() if line.strip())
