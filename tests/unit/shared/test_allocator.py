"""What the C library's allocator is told, by what it then asks of the kernel."""

import ctypes
import platform
import subprocess
import sys

import pytest

from shared import allocator

#: As much as a batch of objects, again and again; prints how many pages the kernel had to give in the second half.
_BATCHES = """
import resource
from shared import allocator
{told}
for number in range(20):
    if number == 10:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    made = [b"x" * (600 + size % 7) for size in range(12_000)]
    whole = b"".join(made)
    copied = bytes(bytearray(whole))
    del made, whole, copied
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def pages(told: str) -> int:
    code = _BATCHES.format(told=told)
    return int(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library than glibc")
def test_what_one_batch_freed_serves_the_next() -> None:
    """Untold, every batch has its thousands of pages cleared by the kernel anew."""
    untold, told = pages(""), pages("assert allocator.settle()")

    assert 10_000 < untold
    assert told < untold / 20


def test_another_c_library_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """musl has no mallopt; a role works there as well."""
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())

    assert not allocator.settle()
