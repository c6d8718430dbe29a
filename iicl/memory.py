"""How the process allocates memory."""

import ctypes

# Parameters of mallopt, from malloc.h of glibc.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3


def keep_freed_memory() -> None:
    """Let the process reuse freed memory in blocks up to 1 GiB, where the C library is glibc.

    By default glibc gives large blocks back to the system as soon as they are freed. A training
    step allocates the same tensors as the step before, so that the system would clear millions of
    pages in each step. In exchange the process holds more memory than it uses, until it ends.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "gnu_get_libc_version"):
        library.mallopt(_MMAP_THRESHOLD, 2**30)
        library.mallopt(_TRIM_THRESHOLD, 2**31 - 1)
