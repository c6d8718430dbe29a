"""Writes one shard: a file with the payloads of some items, their manifest rows and their origins.

Worker processes run this; it imports no torch.
"""

import contextlib
import dataclasses
import errno
import logging
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np

from iicl.config import Preparation
from iicl.data.manifest import (
    ManifestItem,
    SourceItem,
    UnusableSource,
    index_path,
    origins_path,
    payload_digest,
    shard_path,
)
from iicl.data.media.transcode import transcode
from iicl.data.writing import pool
from iicl.data.writing.reuse import Earlier, Origin, SourceFiles
from iicl.files import link_atomically, read_regular_file, write_atomically

_UNFORESEEN = "decoder fails"  # begins the reason of an item after an unexpected exception
_NO_MEMORY = os.strerror(errno.ENOMEM)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Shard:
    """One shard, written or still to be written.

    Attributes:
        number: number of the shard.
        items: the items whose payloads it holds, in order.
        folder: folder of its files.
        preparation: what to keep of each item.
    """

    number: int
    items: list[SourceItem]
    folder: Path
    preparation: Preparation

    @property
    def path(self) -> Path:
        """The file of the payloads."""
        return shard_path(self.folder, self.number)

    @property
    def index(self) -> Path:
        """The file of the manifest rows, written last: if it exists, the shard is finished."""
        return index_path(self.folder, self.number)

    @property
    def origins(self) -> Path:
        """The file that says what the payloads were made from."""
        return origins_path(self.folder, self.number)

    def rows(self) -> list[ManifestItem]:
        """Reads the index and compares it with the items and with the length of the payloads.

        Raises:
            ValueError: if the shard is not finished, or index, items and payloads do not agree.
        """
        try:
            lines = read_regular_file(self.index).decode("ascii").splitlines()
            rows = [ManifestItem.from_json(line) for line in lines]
            *offsets, end = accumulate((row.num_bytes for row in rows), initial=0)
            size = self.path.stat().st_size
        except FileNotFoundError as error:
            raise ValueError(f"{error.filename} is not there") from None
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise ValueError(f"{self.index} is damaged: {error!r}") from error
        listed = [(item.id, item.labels, item.splits, item.group) for item in self.items]
        if [(row.id, row.labels, row.splits, row.group) for row in rows] != listed:
            raise ValueError(f"{self.index} is damaged: it does not list the items of its shard")
        if [(row.shard, row.offset) for row in rows] != [(self.number, o) for o in offsets]:
            raise ValueError(f"{self.index} is damaged: its payloads do not follow each other")
        if size != end:
            raise ValueError(f"{self.path} has {size:,} bytes and not the {end:,} of its index")
        return rows


def prepare_shard(shard: Shard, context: pool.BatchContext, earlier: Earlier) -> Counter[str]:
    """Writes one shard, unless it exists and all its bytes are intact.

    Args:
        shard: the shard to write.
        context: connection of the worker process to its supervisor.
        earlier: finished shards; a payload with the same content is copied, not decoded again.

    Returns:
        The number of items that were "decoded", "taken over", "already there" or
        "missing or not readable".
    """
    if shard.index.exists():
        if _is_intact(shard):
            for number in range(len(shard.items)):
                with context.item(number):
                    pass  # counted as done
            return Counter({"already there": len(shard.items)})
        logger.warning("%s has other content than was written: preparing it again", shard.path)
    tally: Counter[str] = Counter()
    rows: list[ManifestItem] = []
    origins: list[Origin | None] = []
    content = bytearray()
    files = SourceFiles(earlier.source, context.restart_time)
    for number, item in enumerate(shard.items):
        with context.item(number):
            if number in context.skipped:
                made = _Made(*_refused(item, context.skipped[number]), None, "decoded")
            else:
                made = _make(item, shard.preparation, files, earlier)
        rows.append(dataclasses.replace(made.row, shard=shard.number, offset=len(content)))
        origins.append(made.origin)
        content += made.payload
        tally[made.how] += 1
    index = "".join(row.to_json() + "\n" for row in rows).encode("ascii")
    _write_payloads(shard, content, earlier.folders)
    write_atomically(shard.origins, earlier.origins_text(index, origins))
    write_atomically(shard.index, index)
    return tally


@dataclass(frozen=True)
class _Made:
    """The result for one item.

    Attributes:
        row: its manifest row, not yet placed in the shard.
        payload: its bytes; empty without video and sound.
        origin: what the payload was made from; None if it must not be reused.
        how: "decoded", "taken over" or "missing or not readable".
    """

    row: ManifestItem
    payload: bytes
    origin: Origin | None
    how: str


def _make(
    item: SourceItem, preparation: Preparation, files: SourceFiles, earlier: Earlier
) -> _Made:
    """Reuses a payload that was made from the same content, or else decodes the item."""
    place = files.look(item)
    if place is None:
        return _Made(*_decoded(item, preparation), None, "missing or not readable")
    reused = earlier.take(item, place)
    origin = None
    if reused is None:
        origin = files.read(item, place)
        if origin is None:
            return _Made(*_decoded(item, preparation), None, "missing or not readable")
        reused = earlier.take(item, origin)
    if reused is not None:
        return _Made(*reused, "taken over")
    row, payload = _decoded(item, preparation)
    # The machine may have caused these failures: decode the file again next time.
    if _UNFORESEEN in row.reason or _NO_MEMORY in row.reason:
        origin = None
    # If the file has been written in the meantime, digest and payload may belong to other bytes.
    if files.look(item) != place:
        origin = None
    return _Made(row, payload, origin, "decoded")


def _write_payloads(shard: Shard, content: bytearray, folders: Sequence[Path]) -> None:
    """Writes the payloads, or links to a file with the same bytes in another folder."""
    for folder in folders:
        twin = shard_path(folder, shard.number)
        if folder == shard.folder or not _holds(twin, content):
            continue
        # If the file system has no hard links, the bytes are written a second time.
        with contextlib.suppress(OSError):
            link_atomically(shard.path, twin)
            return
    write_atomically(shard.path, memoryview(content))


def _holds(path: Path, content: bytearray) -> bool:
    try:
        return path.stat().st_size == len(content) and read_regular_file(path) == content
    except OSError:
        return False


def _is_intact(shard: Shard) -> bool:
    """Compares the rows with the items, and every payload with its digest."""
    try:
        rows = shard.rows()
        content = memoryview(read_regular_file(shard.path))
        return all(row.is_payload(content[row.offset : row.offset + row.num_bytes]) for row in rows)
    except (OSError, ValueError, TypeError):
        return False  # a file is missing, or the index cannot be read


def _decoded(item: SourceItem, preparation: Preparation) -> tuple[ManifestItem, bytes]:
    """Decodes one item. Returns its manifest row, not yet placed in the shard, and its payload."""
    if item.path is None:
        return _refused(item, f"missing: no {item.sought}")
    try:
        result = transcode(item.path, preparation, item.start_seconds, item.end_seconds)
    except UnusableSource as error:
        return _refused(item, str(error))
    except Exception as error:  # a decoder may raise anything; the cause is the file
        return _refused(item, f"{_UNFORESEEN}: {error!r}")
    sizes = np.array([len(packet) for packet in result.packets], "<u4")
    sound = b"" if result.samples is None else result.samples.astype("<i2").tobytes()
    video = sizes.tobytes() + b"".join(result.packets)
    payload = video + sound
    row = ManifestItem(
        id=item.id,
        labels=item.labels,
        splits=item.splits,
        group=item.group,
        views=(("video",) if result.packets else ()) + (("audio",) if sound else ()),
        reason="; ".join(result.notes),
        num_frames=len(sizes),
        fps=result.fps,
        height=result.height,
        width=result.width,
        num_samples=len(sound) // 2,
        num_video_bytes=len(video),
        digest=payload_digest(payload),
    )
    return row, payload


def _refused(item: SourceItem, reason: str) -> tuple[ManifestItem, bytes]:
    row = ManifestItem(
        id=item.id, labels=item.labels, splits=item.splits, group=item.group, reason=reason
    )
    return row, b""
