"""Small files, written so that a reader sees the old one or the new one, never a part."""

import json
import os
import socket
import threading
from pathlib import Path
from typing import Any


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
    # Hosts that share a file system share process numbers too.
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


def read_json(path: Path | str) -> Any:
    """The content of a JSON file; None if there is none.

    Raises:
        ValueError: if it is damaged.
    """
    try:
        with open(path, "rb") as file:
            return json.loads(file.read())
    except FileNotFoundError:
        return None
    except ValueError as problem:
        raise ValueError(f"{path} is damaged ({problem}); move it away") from None
