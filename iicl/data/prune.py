"""Removing the shards of a prepared corpus that its manifest does not name."""

import re
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from iicl.data.manifest import Manifest, read_header
from iicl.data.shard_folders import removing, shard_folders, unused_shards

_SHARD_FILE = re.compile(
    r"\d{5,}\.(bin|jsonl|origins)|\.\d{5,}\.(bin|jsonl|origins)\.[0-9a-f]{16}\.tmp"
)


@dataclass(frozen=True)
class Pruned:
    """The folders of shards that the manifest of a prepared corpus does not name.

    Attributes:
        folders: the folders that can be removed: they hold only shards and are not in use.
        modified: for each of them, when its newest file was written, in seconds since 1970.
        num_bytes: size of all files that exist only in these folders. A payload file that the
            corpus links to as well takes no space of its own and is not counted.
        left: each other folder -> why it must stay.
    """

    folders: list[Path]
    modified: list[float]
    num_bytes: int
    left: dict[Path, str]


def prune(out: Path, *, remove: bool) -> Pruned:
    """Finds folders of shards that the manifest does not name, and removes them if asked to.

    Args:
        out: folder of the prepared corpus.
        remove: whether to remove the folders.

    Raises:
        ValueError: if ``out`` is no prepared corpus or a preparation is running there.
        OSError: if something cannot be removed.
    """
    with ExitStack() as stack:
        if (
            read_header(out) is not None
        ):  # otherwise a lock file would be left in a folder that is no corpus
            stack.enter_context(removing(out))
        named = out / Manifest.read(out).data
        if not named.is_dir():
            raise ValueError(f"{out} lacks the shards that its manifest names: prepare it again")
        files: dict[Path, list[Path]] = {}
        left: dict[Path, str] = {}
        for folder in shard_folders(out):
            if folder == named:
                continue
            inside = sorted(folder.iterdir())
            strange = [path for path in inside if not _is_shard_file(path)]
            if strange:
                left[folder] = f"it holds a file that is no shard: {strange[0].name}"
            elif not stack.enter_context(unused_shards(folder)):
                left[folder] = "it is in use"
            else:
                files[folder] = inside
        pruned = Pruned(
            folders=list(files),
            modified=[_last_modified(folder, inside) for folder, inside in files.items()],
            num_bytes=_freed_bytes([path for inside in files.values() for path in inside]),
            left=left,
        )
        if remove:
            for folder, inside in files.items():
                _remove(folder, inside)
    return pruned


def _is_shard_file(path: Path) -> bool:
    return bool(_SHARD_FILE.fullmatch(path.name)) and path.is_file() and not path.is_symlink()


def _last_modified(folder: Path, files: list[Path]) -> float:
    return max(path.stat().st_mtime for path in [folder, *files])


def _freed_bytes(files: list[Path]) -> int:
    """Number of bytes of the files all of whose names are in ``files``."""
    names: Counter[tuple[int, int]] = Counter()
    num_bytes = 0
    for path in files:
        status = path.stat()
        file = (status.st_dev, status.st_ino)
        names[file] += 1
        if names[file] == status.st_nlink:
            num_bytes += status.st_size
    return num_bytes


def _remove(folder: Path, files: list[Path]) -> None:
    """Removes indexes first: if this stops half-way, no shard that is left counts as finished."""
    for path in sorted(files, key=lambda path: not path.name.endswith(".jsonl")):
        path.unlink()
    folder.rmdir()
