"""The folders of a prepared corpus: which hold shards, where they may be, which are in use.

A preparation holds a shared lock on ``<out>/.lock``; an open corpus holds a shared lock on the
index of its first shard. The removal of shards takes the same locks exclusively, so it removes
nothing that is being written or read. The locks are those of ``flock``: when a process ends, its
locks are released.
"""

import fcntl
import logging
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from iicl.data.manifest import SourceItem, index_path

_SHARD_FOLDER = re.compile(r"[0-9a-f]{16}")

logger = logging.getLogger(__name__)


def shard_folders(out: Path) -> list[Path]:
    """Sorted folders of a prepared corpus whose names are those of folders of shards."""
    if not out.is_dir():
        return []
    return sorted(
        path
        for path in out.iterdir()
        if _SHARD_FOLDER.fullmatch(path.name) and path.is_dir() and not path.is_symlink()
    )


def check_apart(source: Path, out: Path) -> None:
    """Checks that source and output do not lie inside each other; links are followed.

    Raises:
        ValueError: if ``out`` is ``source`` or lies in it, or ``source`` lies in a folder of shards
            of ``out``.
    """
    if _identity(source) in _identities_above(out):
        raise _inside(out, source)
    above_source = _identities_above(source)
    if any(_identity(folder) in above_source for folder in shard_folders(out)):
        raise ValueError(f"the source {source} lies in a folder of shards of the output {out}")


def check_apart_from_items(source: Path, out: Path, items: Iterable[SourceItem]) -> None:
    """Checks that ``out`` lies in no folder that holds items; links in ``source`` lead to more.

    Raises:
        ValueError: if ``out`` lies in such a folder.
    """
    root = os.path.join(os.path.abspath(source), "")
    folders: set[str] = set()
    for parent in {os.path.dirname(item.path) for item in items if item.path is not None}:
        folder = os.path.abspath(parent)
        while folder.startswith(root) and folder not in folders:
            folders.add(folder)
            folder = os.path.dirname(folder)
    above_out = _identities_above(out)
    for folder in sorted(folders):
        if _identity(Path(folder)) in above_out:
            raise _inside(out, Path(folder))


@contextmanager
def preparing(out: Path) -> Iterator[None]:
    """Prevents the removal of shards below ``out``; waits until a running removal is over."""
    try:
        lock = os.open(out / ".lock", os.O_RDONLY | os.O_CREAT | os.O_NONBLOCK, 0o666)
    except FileNotFoundError:  # nothing has been prepared there
        yield
        return
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH)
        except OSError as error:
            logger.warning(
                "%s: the file system has no locks (%s): do not run `iicl prune` at the same time",
                out,
                error.strerror,
            )
        yield
    finally:
        os.close(lock)


@contextmanager
def removing(out: Path) -> Iterator[None]:
    """Prevents preparations from starting below ``out``.

    Raises:
        ValueError: if a preparation is running there.
        OSError: if the file system has no locks.
    """
    lock = os.open(out / ".lock", os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(
                f"a preparation is running in {out}; try again when it is over"
            ) from None
        yield
    finally:
        os.close(lock)


def hold_shards(folder: Path) -> int | None:
    """Marks a folder of shards as in use.

    Returns:
        A file descriptor, which is closed to end the use; None if there is nothing to lock.
    """
    try:
        lock = os.open(index_path(folder, 0), os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_SH)
    except OSError:  # the file system has no locks, so shards cannot be removed either
        os.close(lock)
        return None
    return lock


@contextmanager
def unused_shards(folder: Path) -> Iterator[bool]:
    """Tells whether a folder of shards is unused, and keeps it unused inside the block.

    Yields:
        Whether the folder is unused.

    Raises:
        OSError: if the file system has no locks.
    """
    try:
        lock = os.open(index_path(folder, 0), os.O_RDWR)
    except FileNotFoundError:  # the first shard is not finished, so nothing reads the folder
        yield True
        return
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(lock)


def _inside(out: Path, source: Path) -> ValueError:
    return ValueError(f"the output {out} lies inside the source {source}; choose another folder")


def _identities_above(path: Path) -> set[tuple[int, int]]:
    """Identities of a folder and of all folders above it that exist."""
    resolved = Path(os.path.realpath(path))
    identities = map(_identity, [resolved, *resolved.parents])
    return {identity for identity in identities if identity is not None}


def _identity(path: Path) -> tuple[int, int] | None:
    """Device and number of a file, the same for every link to it; None if it does not exist."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
