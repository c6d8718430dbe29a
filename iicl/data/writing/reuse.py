"""Finds payloads of earlier preparations that were made from the same content.

Beside the index of every shard lies the file ``NNNNN.origins`` of JSON lines. Its first line names
the recipe, the source folder (as a digest of its path) and the sha256 of the index and of the other
lines. Each other line is the :class:`Origin` of one item, or null if its payload must not be
reused.

If a file below the same source folder has an unchanged path, size and modification time, it counts
as the same file; the fingerprint of a listing makes the same assumption. Any other file is read and
compared by its sha256. Files of two source folders may agree in path, size and time and still
differ, because archives are often unpacked with equal times.
"""

import dataclasses
import functools
import hashlib
import json
import os
import re
import stat
from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from iicl.data.manifest import ManifestItem, SourceItem, index_path, origins_path, shard_path
from iicl.files import read_regular_file

_ORIGINS = re.compile(r"[0-9]{5,9}\.origins")
_CHUNK_BYTES = 1 << 22  # a digest is taken of so many bytes at a time
# A place is packed into 64 bits: number of the folder, of the shard, of the row.
_ROW_BITS, _SHARD_BITS = 16, 32


@dataclass(frozen=True)
class Origin:
    """The file and the part of it that a payload was made from.

    Attributes:
        path: path of the file, relative to the source folder.
        num_bytes: size of the file.
        modified_ns: the file's modification time in nanoseconds.
        start_seconds: start of the part; None for the start of the file.
        end_seconds: end of the part; None for the end of the file.
        digest: sha256 of the file in hexadecimal; empty if the file has not been read yet.
    """

    path: str
    num_bytes: int
    modified_ns: int
    start_seconds: float | None
    end_seconds: float | None
    digest: str = ""

    def same_place(self) -> tuple[object, ...]:
        """A key that is equal for two origins if their file has not been written in between."""
        return (
            "place",
            self.path,
            self.num_bytes,
            self.modified_ns,
            self.start_seconds,
            self.end_seconds,
        )

    def same_content(self) -> tuple[object, ...]:
        """A key that is equal for two origins with the same bytes and the same ending of the name.

        FFmpeg chooses how to read a file by the ending, too.
        """
        ending = os.path.basename(self.path).rpartition(".")[2]
        return ("content", self.digest, ending, self.start_seconds, self.end_seconds)


class SourceFiles:
    """The origins of items. Each file is read at most once, even if several items are parts of it.

    Args:
        source: folder that paths are relative to.
        beat: called after each chunk of a file that is read.
    """

    def __init__(self, source: Path, beat: Callable[[], None]) -> None:
        self._source = source
        self._beat = beat
        self._digests: dict[tuple[str, int, int], str] = {}

    def look(self, item: SourceItem) -> Origin | None:
        """The origin of an item without its digest; None if the item has no regular file."""
        if item.path is None:
            return None
        try:
            status = item.path.stat()
        except OSError:
            return None
        if not stat.S_ISREG(status.st_mode):
            return None
        path = os.path.relpath(item.path, self._source)
        return Origin(
            path, status.st_size, status.st_mtime_ns, item.start_seconds, item.end_seconds
        )

    def read(self, item: SourceItem, origin: Origin) -> Origin | None:
        """The same origin with its digest; None if the file cannot be read."""
        assert item.path is not None
        file = (origin.path, origin.num_bytes, origin.modified_ns)
        if file not in self._digests:
            digest = hashlib.sha256()
            try:
                with open(item.path, "rb") as stream:
                    while chunk := stream.read(_CHUNK_BYTES):
                        digest.update(chunk)
                        self._beat()
            except OSError:
                return None
            self._digests[file] = digest.hexdigest()
        return dataclasses.replace(origin, digest=self._digests[file])


@dataclass(frozen=True, eq=False)
class Earlier:
    """An index of finished shards by what their payloads were made from.

    Every worker holds a copy, so it is small. Each item has two keys, one for its place and one for
    its content, of 16 bytes each. Of equal keys only the first is stored. A corpus of 2 million
    clips takes 64 MB, no matter how often it was prepared.

    Attributes:
        source: folder of the source that is prepared now.
        recipe: digest of everything but the source that a payload depends on.
        folders: folders that hold shards.
        keys: (n,) uint64, sorted.
        places: (n,) uint64; for each key the folder, the shard and the row, packed.
    """

    source: Path
    recipe: str
    folders: tuple[Path, ...]
    keys: np.ndarray
    places: np.ndarray

    @classmethod
    def gather(cls, source: Path, recipe: str, folders: Sequence[Path]) -> "Earlier":
        """Reads the origins of all shards of the recipe; damaged files are skipped."""
        keys, places = array("Q"), array("Q")
        name = _name(source)
        for folder_number, folder in enumerate(folders):
            for path in _origins_files(folder):
                head, origins = _read_origins(path, recipe)
                same_source = head.get("source") == name
                shard = (folder_number << _SHARD_BITS | int(path.stem)) << _ROW_BITS
                for row, origin in enumerate(origins):
                    if origin is not None:
                        keys.append(_key(origin.same_content()))
                        places.append(shard | row)
                    if origin is not None and same_source:
                        keys.append(_key(origin.same_place()))
                        places.append(shard | row)
        distinct, first = np.unique(np.frombuffer(keys, np.uint64), return_index=True)
        return cls(
            source, recipe, tuple(folders), distinct, np.frombuffer(places, np.uint64)[first]
        )

    def take(self, item: SourceItem, origin: Origin) -> tuple[ManifestItem, bytes, Origin] | None:
        """Finds a payload made from the same place or, if ``origin`` has a digest, same content.

        Args:
            item: the item that needs a payload.
            origin: origin of the item.

        Returns:
            The row of the item, its payload and its origin with the digest; None if there is no
            such payload or it is damaged.
        """
        same = Origin.same_content if origin.digest else Origin.same_place
        key = np.uint64(_key(same(origin)))
        position = int(np.searchsorted(self.keys, key))
        if position == len(self.keys) or self.keys[position] != key:
            return None
        place, row_number = divmod(int(self.places[position]), 1 << _ROW_BITS)
        folder_number, shard = divmod(place, 1 << _SHARD_BITS)
        folder = self.folders[folder_number]
        origins, rows = _read_shard(folder, shard, self.recipe)
        if row_number >= len(rows):
            return None
        stored, row = origins[row_number], rows[row_number]
        if stored is None or same(stored) != same(origin):
            return None
        try:
            payload = read_regular_file(shard_path(folder, shard), row.offset, row.num_bytes)
        except OSError:
            return None
        if not row.is_payload(payload):
            return None
        row = dataclasses.replace(
            row, id=item.id, labels=item.labels, splits=item.splits, group=item.group
        )
        return row, payload, dataclasses.replace(origin, digest=stored.digest)

    def origins_text(self, index: bytes, origins: Iterable[Origin | None]) -> bytes:
        """Content of ``NNNNN.origins`` for a shard that is prepared now.

        Args:
            index: content of the shard's index.
            origins: the origins of the items; None for a payload that must not be reused.
        """
        rows = "".join(
            json.dumps(None if origin is None else dataclasses.astuple(origin)) + "\n"
            for origin in origins
        )
        head = {
            "recipe": self.recipe,
            "source": _name(self.source),
            "index": _sha256(index),
            "origins": _sha256(rows.encode("ascii")),
        }
        return f"{json.dumps(head)}\n{rows}".encode("ascii")


def _origins_files(folder: Path) -> list[Path]:
    """Sorted files of origins; none if the folder has just been removed."""
    try:
        return sorted(path for path in folder.iterdir() if _ORIGINS.fullmatch(path.name))
    except OSError:
        return []


def _name(source: Path) -> str:
    """A name of a source folder that does not reveal its path."""
    return _sha256(os.fsencode(os.path.realpath(source)))


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _read_origins(path: Path, recipe: str) -> tuple[dict[str, str], list[Origin | None]]:
    """The first line, and the origins; both empty if the file is damaged or of another recipe."""
    try:
        first, _, rest = read_regular_file(path).partition(b"\n")
        head = json.loads(first)
        if head["recipe"] != recipe or head["origins"] != _sha256(rest):
            return {}, []
        rows = [json.loads(line) for line in rest.splitlines()]
        return head, [None if row is None else Origin(*row) for row in rows]
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return {}, []


@functools.lru_cache(maxsize=8)
def _read_shard(
    folder: Path, number: int, recipe: str
) -> tuple[list[Origin | None], list[ManifestItem]]:
    """Origins and rows of a shard; both empty if they do not belong together."""
    head, origins = _read_origins(origins_path(folder, number), recipe)
    try:
        index = read_regular_file(index_path(folder, number))
    except OSError:
        return [], []
    if _sha256(index) != head.get("index"):
        return [], []
    rows = [ManifestItem.from_json(line) for line in index.decode("ascii").splitlines()]
    return (origins, rows) if len(origins) == len(rows) else ([], [])


def _key(value: tuple[object, ...]) -> int:
    text = json.dumps(value).encode("ascii")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")
