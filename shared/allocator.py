"""The C library's allocator, told what a role is like: megabytes for every batch, freed and wanted again a moment later.

Untold, glibc gives them back to the kernel after each batch, which clears them page by page for the next one: up to a fifth
of a normalizer's processor time (docs/performance.md). What is kept is no more than one batch needed, and a bound.
"""

import ctypes

#: Free memory at the end of the heap that is kept. A batch and what is made of it take some 30 MiB.
KEPT_BYTES = 64 * 1024 * 1024
#: Smaller pieces come from the heap, larger ones from the kernel: as many bytes as glibc allows.
LARGE_BYTES = 32 * 1024 * 1024
# mallopt(3), by the numbers in malloc.h.
_TRIM_THRESHOLD = -1
_MMAP_THRESHOLD = -3


def settle() -> bool:
    """Have this process keep what it frees. False: its C library, musl's for one, has no such settings."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    return bool(mallopt(_TRIM_THRESHOLD, KEPT_BYTES) and mallopt(_MMAP_THRESHOLD, LARGE_BYTES))
