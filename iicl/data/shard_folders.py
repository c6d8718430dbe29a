"""The folders of a prepared corpus: which hold shards, which places are refused, what is in use.

A preparation holds a shared lock on ``<out>/.lock``, and an open corpus holds one on the index of
its first shard. The removal of shards takes the same locks exclusively, so that it removes nothing
that is being written or read. These are locks of ``flock``: the end of a process releases them.
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
    """Sorted folders below a prepared corpus that are named like folders of shards."""
    if not out.is_dir():
        return []
    return sorted(
        path
        for path in out.iterdir()
        if _SHARD_FOLDER.fullmatch(path.name) and path.is_dir() and not path.is_symlink()
    )


def check_apart(source: Path, out: Path) -> None:
    """Checks that neither of source and output is part of the other; links are followed.

    Raises:
        ValueError: if ``out`` is or lies in ``source``, or ``source`` lies among shards of ``out``.
    """
    if _identity(source) in _identities_above(out):
        raise _inside(out, source)
    above_source = _identities_above(source)
    if any(_identity(folder) in above_source for folder in shard_folders(out)):
        raise ValueError(f"the source {source} lies in a folder of shards of the output {out}")


def check_apart_from_items(source: Path, out: Path, items: Iterable[SourceItem]) -> None:
    """Checks that ``out`` lies in no folder of the items, which links in ``source`` may lead to.

    Raises:
        ValueError: if it does.
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
    """Keeps shards below ``out`` from being removed; waits until a removal is over."""
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
                "%s: the file system knows no locks (%s): run no `iicl prune` beside this",
                out,
                error.strerror,
            )
        yield
    finally:
        os.close(lock)


@contextmanager
def removing(out: Path) -> Iterator[None]:
    """Keeps preparations from starting below ``out``.

    Raises:
        ValueError: if a preparation is running there.
        OSError: if the file system knows no locks.
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
        A file descriptor: closing it ends the use. None if there is nothing to lock.
    """
    try:
        lock = os.open(index_path(folder, 0), os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_SH)
    except OSError:  # no locks here: then nothing can be removed either
        os.close(lock)
        return None
    return lock


@contextmanager
def unused_shards(folder: Path) -> Iterator[bool]:
    """Whether nothing uses a folder of shards; while inside, nothing starts to.

    Raises:
        OSError: if the file system knows no locks.
    """
    try:
        lock = os.open(index_path(folder, 0), os.O_RDWR)
    except FileNotFoundError:  # not finished
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
    """Identities of a folder and of all that it lies in, as far as they exist."""
    resolved = Path(os.path.realpath(path))
    identities = map(_identity, [resolved, *resolved.parents])
    return {identity for identity in identities if identity is not None}


def _identity(path: Path) -> tuple[int, int] | None:
    """Device and number of a file, the same through every link to it; None if it is not there."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
