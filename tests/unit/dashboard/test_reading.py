"""What is read from Redis is JSON, or unreadable."""

import pickle  # noqa: TID251 - to show that it is not read
import subprocess
import sys
from typing import Any

import pytest

from services.dashboard.overview import age, readable_size
from services.dashboard.reading import UNREADABLE, Json, JsonJob, JsonQueue


@pytest.mark.parametrize(
    "data",
    [
        pickle.dumps({"a": 1}),
        pickle.dumps(["x"], protocol=0),
        b"",
        b"\xff\xfe",
        b"[NaN]",
        b'{"a": Infinity}',
        b"[" * 100_000,
        b"1" * 5000,
    ],
)
def test_what_is_no_json_is_unreadable(data: bytes) -> None:
    """A browser takes no NaN; nothing is tried a second way."""
    assert UNREADABLE == Json.loads(data)


def test_json_is_read_and_written() -> None:
    """As RQ's own serializer has it."""
    value: list[Any] = ["f", None, ["g-1-0", {"log_group": "/aws/ü"}], {}]

    assert value == Json.loads(Json.dumps(value))  # type: ignore[no-untyped-call]


def test_no_class_of_ours_takes_pickle_where_rq_says_nothing() -> None:
    """RQ hands on None for a serializer that nobody has named."""
    client = object()

    assert Json is JsonJob("a", client).serializer  # type: ignore[arg-type]
    assert Json is JsonQueue("a", client, serializer=None).serializer
    assert Json is JsonQueue("a", client).serializer


def test_nothing_is_unpickled_in_the_process_of_the_dashboard() -> None:
    """Whoever asks for it: RQ by a way that nobody has thought of, or a library."""
    program = (
        "import pickle, pathlib; from services.dashboard.reading import forbid_pickle\n"
        "data = pickle.dumps(pathlib.PurePath('x')); pickle.loads(data); forbid_pickle()\n"
        "for load in (pickle.loads, pickle._loads):\n"
        "    try: load(data)\n"
        "    except RuntimeError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert ["nothing is unpickled here"] * 2 == done.stdout.splitlines()


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (12_163_482, "11.6 MiB"), (3 * 2**40, "3072.0 GiB")],
)
def test_sizes_are_readable(size: int, text: str) -> None:
    """With a unit."""
    assert text == readable_size(size)


@pytest.mark.parametrize(
    ("seconds", "text"), [(-3, "0 s"), (0, "0 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (200_000, "2 d")]
)
def test_ages_are_readable(seconds: float, text: str) -> None:
    """And never negative: clocks differ."""
    assert text == age(seconds)
