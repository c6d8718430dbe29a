"""Reads regular files only, and writes files so that a reader never sees a half-written one."""

import errno
import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO


def open_regular_file(path: Path) -> BinaryIO:
    """Opens a file for reading. If a pipe has the name of the file, this does not wait for it.

    Raises:
        OSError: if there is no such file, or it is a pipe, a folder or a device.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", os.fspath(path))
    return open(descriptor, "rb")


def read_regular_file(path: Path, offset: int = 0, num_bytes: int = -1) -> bytes:
    """Reads a file, or some bytes of it.

    Args:
        path: the file.
        offset: first byte to read.
        num_bytes: length of the part; -1 reads up to the end.

    Raises:
        OSError: as :func:`open_regular_file`.
    """
    with open_regular_file(path) as stream:
        stream.seek(offset)
        return stream.read(num_bytes)


def write_atomically(path: Path, data: bytes | memoryview) -> None:
    """Replace the content of ``path`` in one step; on failure the old content stays.

    Any number of processes on any hosts may write the same file; the last one's content stays.

    Args:
        path: the file; its folder must exist.
        data: the whole new content.

    Raises:
        OSError: if the data cannot be written, for example because the disk is full.
    """

    def write(temporary: Path) -> None:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())

    _replace(path, write)


def link_atomically(path: Path, existing: Path) -> None:
    """Make ``path`` a hard link to ``existing`` in one step; on failure the old content stays.

    Args:
        path: the file; its folder must exist.
        existing: a file on the same file system.

    Raises:
        OSError: if the file system has no hard links, or ``existing`` has too many.
    """
    _replace(path, lambda temporary: os.link(existing, temporary))


def _replace(path: Path, make: Callable[[Path], None]) -> None:
    # Random, because processes on two hosts that share a file system may have equal ids, and some
    # hosts have equal names.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        make(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    # Without this a power cut may bring the old directory entry back.
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
