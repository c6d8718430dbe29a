"""Small files: written in one step, and checked when they are read."""

import contextlib
import errno
import fcntl
import hashlib
import itertools
import json
import math
import os
import socket
import stat
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

MAX_BYTES = 2**26
"""The largest record; no record of a run comes near it."""

MAX_LINE_BYTES = 2**20
"""The longest first line of a manifest."""

MAX_WORDS = 200
"""The longest reason, in characters."""


class DamagedFileError(ValueError):
    """A file is there, but it does not hold what it should.

    Attributes:
        path: the file.
        why: the reason, in one line.
    """

    def __init__(self, path: Path | str, why: str) -> None:
        line = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in why)
        self.path = Path(path)
        self.why = line if len(line) <= MAX_WORDS else f"{line[:MAX_WORDS]}..."
        super().__init__(f"{path} is damaged: {self.why}")


def write_json(path: Path, data: object) -> None:
    """Write ``data`` so that a reader sees the old file or the new one, never a part.

    Raises:
        ValueError: if ``data`` holds a number that is not finite.
    """
    write_text(path, json.dumps(data, indent=1, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """:func:`write_bytes` of UTF-8 text."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Write ``data`` so that a reader sees the old file or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Two hosts that share a file system may have equal process numbers.
    writer = f"{socket.gethostname()}.{os.getpid()}.{threading.get_ident()}"
    part = path.with_name(f".{path.name}.{writer}")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as problem:
        part.unlink(missing_ok=True)
        raise OSError(problem.errno, problem.strerror, str(path)) from None


def open_to_read(path: Path | str, max_bytes: int = MAX_BYTES) -> BinaryIO | None:
    """Open a regular file; None if there is none.

    Opening a named pipe in the usual way would wait for a writer.

    Raises:
        DamagedFileError: if a folder, a pipe, a device or a link to nowhere is in its place, if it
            has more than ``max_bytes``, or if this user may not read it.
        OSError: if the file system fails: then nobody knows what the file holds.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        if os.path.islink(path):
            raise DamagedFileError(path, "it is a link to nowhere") from None
        return None
    except OSError as problem:
        if problem.errno in (errno.EACCES, errno.ELOOP, errno.ENXIO, errno.ENOTDIR):
            raise DamagedFileError(path, str(problem.strerror)) from None
        raise
    about = os.fstat(descriptor)
    why = ""
    if not stat.S_ISREG(about.st_mode):
        why = "it is a folder" if stat.S_ISDIR(about.st_mode) else "it is no regular file"
    elif about.st_size > max_bytes:
        why = f"it has {about.st_size:,} bytes, more than any such file"
    if why:
        os.close(descriptor)
        raise DamagedFileError(path, why)
    return open(descriptor, "rb")


def read_bytes(path: Path | str, max_bytes: int = MAX_BYTES) -> bytes | None:
    """The content of a file; None if there is none. Raises as :func:`open_to_read`."""
    file = open_to_read(path, max_bytes)
    if file is None:
        return None
    with file:
        try:
            return file.read()
        except OSError as problem:
            raise OSError(problem.errno, problem.strerror, str(path)) from None


def read_first_line(path: Path) -> bytes | None:
    """The first line of a file of any size; None if there is none.

    Raises:
        DamagedFileError: as :func:`open_to_read`, and if the line is cut or longer than
            ``MAX_LINE_BYTES``.
        OSError: as :func:`open_to_read`.
    """
    file = open_to_read(path, sys.maxsize)
    if file is None:
        return None
    with file:
        line = file.readline(MAX_LINE_BYTES)
    if line and not line.endswith(b"\n"):
        raise DamagedFileError(path, "its first line has no end")
    return line


def read_json(path: Path | str) -> Any:
    """The content of a JSON file; None if there is none.

    Raises:
        DamagedFileError: as :func:`open_to_read` and :func:`parse_json`, and if it holds ``null``.
        OSError: as :func:`open_to_read`.
    """
    content = read_bytes(path)
    if content is None:
        return None
    data = parse_json(content, path)
    if data is None:
        raise DamagedFileError(path, "it holds null")
    return data


def parse_json(content: bytes, path: Path | str) -> Any:
    """The value that JSON text stands for.

    Args:
        content: the text.
        path: the file that holds it.

    Raises:
        DamagedFileError: if it is no JSON in UTF-8 without a byte order mark, repeats a key, nests
            too deeply, or holds a number that is not finite or half of a character.
    """
    if not content.strip():
        raise DamagedFileError(path, "it is empty")
    try:
        text = content.decode()
        data = json.loads(
            text, object_pairs_hook=_object, parse_constant=_not_finite, parse_float=_finite
        )
        if "\\ud" in text.lower():  # half of a character cannot be written
            json.dumps(data, ensure_ascii=False).encode()
    except RecursionError:
        raise DamagedFileError(path, "it nests too deeply") from None
    except UnicodeError as problem:
        raise DamagedFileError(path, f"it is not UTF-8: {problem.reason}") from None  # type: ignore[attr-defined]
    except ValueError as problem:
        raise DamagedFileError(path, str(problem)) from None
    return data


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"it repeats {next(key for key in keys if keys.count(key) > 1)!r}")
    return values


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _not_finite(text)


def _not_finite(text: str) -> float:
    raise ValueError(f"{text} is no finite number")


def digest(data: object) -> str:
    """Hex sha256 of ``data`` as canonical JSON.

    Raises:
        ValueError: if ``data`` holds a number that is not finite.
    """
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def is_regular(path: Path | str) -> bool:
    """Whether a regular file is there, and no link, folder or pipe in its place."""
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def set_aside(path: Path) -> Path:
    """Move what is at ``path`` into ``.aside`` beside it; its new place."""
    folder = path.parent / ".aside"
    folder.mkdir(exist_ok=True)
    for number in itertools.count():
        target = folder / f"{path.name}.{number}"
        if not os.path.lexists(target):
            break
    path.rename(target)
    return target


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of the empty file at ``path``; other processes wait.

    Raises:
        DamagedFileError: if no regular file is in its place.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    except IsADirectoryError:
        raise DamagedFileError(path, "it is a folder") from None
    with open(descriptor, "wb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise DamagedFileError(path, "it is no regular file")
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
