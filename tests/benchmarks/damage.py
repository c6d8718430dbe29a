"""What can lie in the place of a file, and what must survive a command that meets it."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any


def _wrong(value: Any) -> Any:
    """The same mapping, or list of mappings, with a value of another type under every key."""
    if isinstance(value, list):
        return [_wrong(item) if isinstance(item, dict | list) else 7 for item in value]
    return {key: 7 if isinstance(item, str | dict | list) else "7" for key, item in value.items()}


def _deep(sound: bytes) -> bytes:
    return b'{"metrics": ' * 100_000 + b"}" * 100_000


TEXTS: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda sound: b"",
    "cut": lambda sound: sound[: len(sound) // 2],
    "list": lambda sound: b"[1, 2]",
    "number": lambda sound: b"7",
    "null": lambda sound: b"null",
    "wrong-types": lambda sound: json.dumps(_wrong(json.loads(sound))).encode(),
    "deep": _deep,
    "nan": lambda sound: b'{"fraction": NaN}',
    "infinite": lambda sound: b'{"fraction": 1e999}',
    "key-twice": lambda sound: b'{"reason": "a", "reason": "b"}',
    "half-a-character": lambda sound: b'{"reason": "\\ud800"}',
    "not-utf8": lambda sound: b'{"reason": "\xff\xfe"}',
    "nul": lambda sound: b"\0" * len(sound),
    "byte-order-mark": lambda sound: b"\xef\xbb\xbf" + sound,
}
ODD = ("folder", "fifo", "broken-link", "huge", "unreadable")
"""Not a matter of text."""


def put(kind: str, path: Path) -> None:
    """Put a kind of damage in the place of a sound file, or of none."""
    sound = path.read_bytes() if path.is_file() else b'{"reason": "x"}'
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind in TEXTS:
        path.write_bytes(TEXTS[kind](sound))
    elif kind == "folder":
        path.mkdir()
        (path / "inside").write_bytes(sound)
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "broken-link":
        path.symlink_to("nowhere")
    elif kind == "huge":
        path.write_bytes(sound)
        os.truncate(path, 2**40)  # a hole: it takes no room
    else:
        path.write_bytes(sound)
        path.chmod(0)


def fingerprint(path: Path) -> tuple[object, ...]:
    """What is at ``path``; equal after it was moved."""
    about = path.lstat()
    return about.st_ino, about.st_mode, about.st_size


def everything(root: Path) -> set[tuple[object, ...]]:
    """The fingerprints of all below a folder."""
    return {fingerprint(path) for path in root.rglob("*")}
