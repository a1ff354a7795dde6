"""Receivers that come late, restart, stall, are replaced, or are none: nothing is lost, and nothing counted too early."""

import fcntl
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic

import pytest
import redis
import structlog

from services.forwarder import analysisd, forward
from services.forwarder.analysisd import Analysisd
from services.forwarder.sink import SinkBusy, SinkUnavailable
from shared import books, keys, queues
from shared.messages import EnrichedBatch
from tests.eventually import eventually
from tests.receiver import Receiver
from tests.unit.forwarder.at_work import AtWork, pause
from tests.unit.forwarder.factories import account, an_enriched_batch, datagrams, put

ROOT = Path(__file__).parents[2]
WINDOW = 10


@pytest.fixture(autouse=True)
def _small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several windows in a batch that can be looked through, and no long waits."""
    monkeypatch.setattr(forward, "WINDOW", WINDOW)
    monkeypatch.setattr(forward, "ABSENT_SECONDS", 0.02)
    monkeypatch.setattr(analysisd, "SEND_TIMEOUT_SECONDS", 0.05)


class ShortLived(Receiver):
    """Dies after every `life` datagrams, its unread ones with it, and is started again at the same path."""

    life = 50

    def _read(self, bound: socket.socket) -> None:
        read = 0
        while not self._ended.is_set():
            try:
                datagram = bound.recv(65_535)
            except TimeoutError:
                continue
            if datagram:
                self.datagrams.append(datagram)
                read += 1
            if read == self.life:
                bound.close()
                self.path.unlink()
                bound = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                bound.bind(str(self.path))
                bound.settimeout(0.05)
                read = 0
        bound.close()


def everything_arrived(receiver: Receiver, batch: EnrichedBatch) -> bool:
    """Tell whether each datagram of the batch arrived at least once."""
    return set(batch.datagrams) <= set(receiver.datagrams)


def test_a_receiver_that_comes_late_is_waited_for(client: redis.Redis, tmp_path: Path) -> None:
    """The forwarder may start before Wazuh does."""
    batch = an_enriched_batch(25)
    put(client, batch)
    with AtWork(client, tmp_path / "queue", batch) as work:
        work.wait_for_beats(3)
        before = account(client)
        with Receiver(tmp_path / "queue") as receiver:
            work.join()

    assert 0 == before.delivered
    assert list(batch.datagrams) == receiver.datagrams
    assert 0 == account(client).sent_again


def test_a_receiver_that_restarts_again_and_again_gets_every_datagram(
    client: redis.Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It dies amid windows longer than its queue: what it had of them is sent again, what was confirmed is not."""
    monkeypatch.setattr(forward, "WINDOW", 40)
    batch = an_enriched_batch(400)
    put(client, batch)
    with ShortLived(tmp_path / "queue") as receiver, AtWork(client, receiver.path, batch) as work:
        work.join()
    repeated = len(receiver.datagrams) - 400

    assert everything_arrived(receiver, batch)
    assert (400, 0) == (account(client).delivered, account(client).in_flight)
    assert 0 < repeated <= account(client).sent_again


def test_what_a_receiver_dies_with_unread_is_sent_again(client: redis.Redis, receiver: Receiver) -> None:
    """The kernel's queue is empty then too, as if it had been read: only the probe tells."""
    pause(receiver)
    batch = an_enriched_batch(8)
    put(client, batch)
    with AtWork(client, receiver.path, batch) as work:
        work.wait_for_beats(2)
        receiver.stop()
        before = account(client)
        receiver.start()
        work.join()

    assert 0 == before.delivered
    assert list(batch.datagrams) == receiver.datagrams[-8:]
    assert (8, 8) == (account(client).delivered, account(client).sent_again)


def test_a_receiver_that_is_replaced_while_it_lives_gets_nothing_more(
    client: redis.Redis, receiver: Receiver, tmp_path: Path
) -> None:
    """The kernel goes on delivering to the old one without a word: only the path tells who is meant."""
    batch = an_enriched_batch(25)
    put(client, batch)
    with Receiver(tmp_path / "new") as new:

        def replace(beats: int) -> None:
            if beats == 2:  # between the first window and the second
                new.path.rename(receiver.path)

        with AtWork(client, receiver.path, batch, on_beat=replace) as work:
            work.join()

    assert list(batch.datagrams[:10]) == receiver.datagrams
    assert list(batch.datagrams[10:]) == new.datagrams
    assert 0 == account(client).sent_again


def test_a_receiver_that_hangs_and_is_replaced_is_given_up(
    client: redis.Redis, receiver: Receiver, tmp_path: Path
) -> None:
    """It will never read what it was sent; waiting for it would be waiting for ever."""
    pause(receiver)
    batch = an_enriched_batch(5)
    put(client, batch)
    with Receiver(tmp_path / "new") as new, AtWork(client, receiver.path, batch) as work:
        work.wait_for_beats(3)
        new.path.rename(receiver.path)
        work.join()

    assert [] == receiver.datagrams
    assert list(batch.datagrams) == new.datagrams
    assert (5, 5) == (account(client).delivered, account(client).sent_again)


def test_a_receiver_that_stalls_holds_everything_up_and_loses_nothing(
    client: redis.Redis, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing counts as delivered that was not read, and the claim on the job is kept all the while."""
    pause(receiver)
    batch = an_enriched_batch(30)
    put(client, batch)
    with structlog.testing.capture_logs() as logs, AtWork(client, receiver.path, batch) as work:
        eventually(lambda: logs, what="a word about the wait")
        before, recorded = account(client), client.get(keys.progress(batch.batch_id))
        receiver.resume()
        work.join()

    assert (0, None) == (before.delivered, recorded)
    assert list(batch.datagrams) == receiver.datagrams
    assert (30, 0) == (account(client).delivered, account(client).sent_again)
    assert work.longest_silence() < 1.0
    assert ["waiting for the receiver", "the receiver reads again"] == [line["event"] for line in logs]
    assert "does not read" in logs[0]["why"]


def test_a_slow_receiver_is_no_reason_to_be_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each send may take as long as its time limit: unless the clock is looked at each time, a claim runs out."""
    monkeypatch.setattr(analysisd, "SENDING_SECONDS", 0.2)
    over = threading.Event()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.bind(str(tmp_path / "queue"))

        def read_slowly() -> None:
            while not over.wait(0.03):
                bound.recv(65_535)

        reader = threading.Thread(target=read_slowly)
        reader.start()
        sink = Analysisd(str(tmp_path / "queue"), "read")
        sink.connect()
        began = monotonic()
        reached = sink.send(datagrams(500), 0, 500)
        took = monotonic() - began
        over.set()
        reader.join()
        sink.close()

    assert took < 1.0
    assert 0 < reached < 500


@pytest.fixture
def not_yet(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Something at the receiver's path that cannot take a datagram."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    path = tmp_path / "queue"

    def made(what: str) -> Path:
        if what == "a regular file":
            path.touch()
        elif what == "a directory":
            path.mkdir()
        elif what == "a stream socket":
            listener.bind(str(path))
            listener.listen()
        elif what == "a socket nobody reads":
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as gone:
                gone.bind(str(path))
        return path

    yield made
    listener.close()


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ("nothing", "there is no socket at"),
        ("a regular file", "is not a socket"),
        ("a directory", "is not a socket"),
        ("a stream socket", "is no datagram socket"),
        ("a socket nobody reads", "nobody reads from"),
    ],
)
def test_what_is_no_receiver_is_named_and_waited_out(
    client: redis.Redis, not_yet: Callable[[str], Path], what: str, why: str
) -> None:
    """An operator who corrects it need not restart anything."""
    path = not_yet(what)
    sink = Analysisd(str(path), "read")
    with pytest.raises(SinkUnavailable, match=why):
        sink.connect()
    batch = an_enriched_batch(3)
    put(client, batch)
    with AtWork(client, path, batch) as work:
        work.wait_for_beats(2)
        if path.is_dir():
            path.rmdir()
        with Receiver(path) as receiver:
            work.join()

    assert list(batch.datagrams) == receiver.datagrams
    assert 0 == account(client).sent_again


KEEP_TRYING = """
import os
import sys
from time import sleep
from services.forwarder.analysisd import Analysisd
from services.forwarder.sink import SinkUnavailable
if os.geteuid() == 0:
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
sink = Analysisd(sys.argv[1], "read")
while True:
    try:
        sink.connect()
        break
    except SinkUnavailable as error:
        print(error, flush=True)
        sleep(0.02)
sink.send([b"1:here:at last"], 0, 1)
sink.confirm(wait=True)
"""


def test_a_receiver_closed_to_us_is_named_and_used_once_it_opens() -> None:
    """Its group is Wazuh's: forgetting to join it is the first thing that happens to everybody."""
    directory = Path(tempfile.mkdtemp(dir="/tmp"))  # one that others may pass through
    directory.chmod(0o711)
    try:
        with Receiver(directory / "queue") as receiver:
            receiver.path.chmod(0)
            command = [sys.executable, "-c", KEEP_TRYING, str(receiver.path)]
            with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
                assert process.stdout is not None
                said = process.stdout.readline()
                receiver.path.chmod(0o666)
                process.communicate()
    finally:
        shutil.rmtree(directory)

    assert f"no permission to send to {receiver.path}: run as a member of the group that owns it" in said
    assert [b"1:here:at last"] == receiver.datagrams


def test_a_stop_while_the_receiver_stalls_gives_the_batch_back(
    client: redis.Redis, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In seconds: whoever stops a container kills it soon. The confirmed windows stay confirmed."""
    monkeypatch.setattr(forward, "CONFIRM_ON_STOP_SECONDS", 0.3)
    batch = an_enriched_batch(25)
    put(client, batch)
    with AtWork(client, receiver.path, batch, on_beat=lambda beats: pause(receiver) if beats == 2 else None) as work:
        work.wait_for_beats(4)
        work.stop.set()
        began = monotonic()
        given_back = work.join()
        took = monotonic() - began
    between = account(client)

    assert given_back is queues.GIVE_BACK
    assert took < 2.0
    assert b"10" == client.get(keys.progress(batch.batch_id))
    assert (10, 10) == (between.delivered, between.sent_again)
    assert {"raw": 0, "enriched": 1} == queues.outstanding(client)

    receiver.resume()
    with AtWork(client, receiver.path, batch) as successor:
        successor.join()

    assert everything_arrived(receiver, batch)
    assert len(receiver.datagrams) - 25 <= account(client).sent_again
    assert (25, 0) == (account(client).delivered, account(client).in_flight)


def test_a_stop_lets_a_receiver_that_reads_finish_its_window(client: redis.Redis, receiver: Receiver) -> None:
    """What is confirmed in time need not be sent again by the next forwarder."""
    pause(receiver)
    batch = an_enriched_batch(25)
    put(client, batch)
    with AtWork(client, receiver.path, batch) as work:
        work.wait_for_beats(2)
        work.stop.set()
        receiver.resume()
        given_back = work.join()
    reached = int(client.get(keys.progress(batch.batch_id)) or 0)

    assert given_back is queues.GIVE_BACK
    assert list(batch.datagrams[:reached]) == receiver.datagrams
    assert 0 < reached == account(client).delivered
    assert 0 == account(client).sent_again


def test_a_stop_without_a_receiver_is_immediate(client: redis.Redis, tmp_path: Path) -> None:
    """Nothing is in doubt."""
    batch = an_enriched_batch(5)
    put(client, batch)
    with AtWork(client, tmp_path / "queue", batch) as work:
        work.wait_for_beats(1)
        work.stop.set()
        began = monotonic()

        assert work.join() is queues.GIVE_BACK
        assert monotonic() - began < 1.0
        assert books.Account(fetched=5) == account(client)


def unread_bytes(sender: socket.socket) -> int:
    """Return what SIOCOUTQ says."""
    return int(struct.unpack("i", fcntl.ioctl(sender, termios.TIOCOUTQ, b"\0\0\0\0"))[0])


def test_the_kernel_counts_what_the_receiver_has_not_read(tmp_path: Path) -> None:
    """What the level `read` rests on: it falls with each datagram read, a zero-length one too, to 0 with the last."""
    path = str(tmp_path / "queue")
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender,
    ):
        bound.bind(path)
        sender.connect(path)
        counts = [unread_bytes(sender)]
        for datagram in (b"x" * 1000, b"y", b""):
            sender.send(datagram)
            counts.append(unread_bytes(sender))
        for _ in range(3):
            bound.recv(1)
            counts.append(unread_bytes(sender))

    assert 0 == counts[0] == counts[-1]
    assert 0 < counts[1] < counts[2] < counts[3] > counts[4] > counts[5] > counts[6]


def test_the_kernel_counts_nothing_once_the_receiver_is_dead_and_tells_it_to_who_sends(tmp_path: Path) -> None:
    """Why a count of 0 is not enough: the probe that follows it is refused."""
    path = str(tmp_path / "queue")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
            bound.bind(path)
            sender.connect(path)
            sender.send(b"never read")
        left = unread_bytes(sender)
        with pytest.raises(ConnectionRefusedError):
            sender.send(b"")

    assert 0 == left


def test_a_receiver_that_reads_nothing_is_never_confirmed(receiver: Receiver) -> None:
    """However often it is asked."""
    pause(receiver)
    sink = Analysisd(str(receiver.path), "read")
    sink.connect()
    sink.send(datagrams(3), 0, 3)
    for _ in range(3):
        with pytest.raises(SinkBusy, match="does not read"):
            sink.confirm(wait=True)
    receiver.resume()
    eventually(lambda: 3 == len(receiver.datagrams))

    sink.confirm(wait=True)
    sink.close()
