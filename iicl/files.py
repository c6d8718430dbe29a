"""Writing files so that a reader never sees half of one."""

import os
import secrets
from pathlib import Path


def write_atomically(path: Path, data: bytes | memoryview) -> None:
    """Replace the content of ``path`` in one step; on failure the old content stays.

    Any number of processes on any hosts may write the same file; the last one's content stays.

    Args:
        path: the file; its folder must exist.
        data: the whole new content.

    Raises:
        OSError: if the data cannot be written, for example because the disk is full.
    """
    # Random, because hosts that share a file system also share process ids, and some their names.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    # Without this a power cut may bring the old directory entry back.
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
