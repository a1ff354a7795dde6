"""An endpoint that does not stop: what it sends is not kept beyond the bound, and the fault is one line."""

import itertools
import socket
import threading
from collections.abc import Iterator

import pytest

from shared.aws import bounded
from shared.aws.logs_api import LogsApi
from shared.aws.sessions import SourceSession
from shared.errors import SourceUnreachable
from shared.settings.model import Source

BOUND = 256 * 1024
EVENT = b'{"eventId":"37","logStreamName":"s","timestamp":1,"message":"fast"}'


class _Endpoint:
    """Answers the one call it takes with `length` said, and `pieces` sent for as long as anybody reads them."""

    def __init__(self, length: bytes, pieces: Iterator[bytes]) -> None:
        self.sent = 0
        self._length, self._pieces = length, pieces
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._answer)
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"

    def __enter__(self) -> "_Endpoint":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()
        self._listening.close()

    def _answer(self) -> None:
        connection, _ = self._listening.accept()
        with connection:
            _take_request(connection)
            try:
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-amz-json-1.1\r\n" + self._length)
                for piece in self._pieces:
                    connection.sendall(piece)
                    self.sent += len(piece)
            except OSError:
                return


def _take_request(connection: socket.socket) -> None:
    """Read all of it: a connection that is closed over what was not read is reset."""
    with connection.makefile("rb") as stream:
        length = 0
        while (line := stream.readline().strip().lower()) != b"":
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        stream.read(length)


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "made-up")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "made-up")
    monkeypatch.setattr(bounded, "MAX_ANSWER_BYTES", BOUND)


def an_api(endpoint: _Endpoint) -> LogsApi:
    source = Source(name="s", regions=("eu-west-1",), log_groups=("/app",), endpoint_url=endpoint.url)
    return LogsApi(SourceSession(source), "s", "eu-west-1", lambda operation: None)  # noqa: ARG005 - counts nothing


@pytest.mark.parametrize("length", [b"\r\n", b"Content-Length: 99999999999\r\n\r\n"], ids=["unsaid", "said"])
def test_an_answer_without_end_is_given_up(length: bytes) -> None:
    """Whether it says how long it is or not: what it would take is not to be had."""
    with _Endpoint(length, itertools.repeat(b"x" * 65_536)) as endpoint:
        with pytest.raises(SourceUnreachable, match=f"longer than {BOUND} bytes") as refused:
            an_api(endpoint).page("/app", 0, 1)

        assert "\n" not in str(refused.value)
    assert endpoint.sent < 64 * BOUND  # what the kernel holds between the two is more than was read


def test_an_answer_within_the_bound_is_read() -> None:
    """Also one that comes in many pieces."""
    body = b'{"events":[' + b",".join([EVENT] * 3_000) + b"]}"
    pieces = (body[at : at + 999] for at in range(0, len(body), 999))
    with _Endpoint(b"Content-Length: %d\r\n\r\n" % len(body), pieces) as endpoint:
        assert len(body) < BOUND
        assert 3_000 == len(an_api(endpoint).page("/app", 0, 1).events)


def test_an_answer_that_is_cut_short_is_no_answer() -> None:
    """As botocore says it, when it reads for itself."""
    pieces = iter([b"fff\r\n", b"{"])
    with _Endpoint(b"Transfer-Encoding: chunked\r\n\r\n", pieces) as endpoint, pytest.raises(SourceUnreachable):
        an_api(endpoint).page("/app", 0, 1)
