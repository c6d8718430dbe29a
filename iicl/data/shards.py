"""One shard: the payloads of some items in one file, and their manifest rows in another beside it.

Runs in worker processes and imports no torch.
"""

import dataclasses
import logging
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np

from iicl.config import Preparation
from iicl.data import pool
from iicl.data.manifest import ManifestItem, SourceItem, UnusableSource, payload_digest, shard_path
from iicl.data.transcode import transcode
from iicl.files import write_atomically

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Shard:
    """One shard's work.

    Attributes:
        number: of the shard.
        items: what it shall hold, in order.
        folder: where its files are.
        preparation: what to keep of each item.
    """

    number: int
    items: list[SourceItem]
    folder: Path
    preparation: Preparation

    @property
    def path(self) -> Path:
        """The payloads."""
        return shard_path(self.folder, self.number)

    @property
    def index(self) -> Path:
        """The manifest rows; it is written last, so that its presence means a finished shard."""
        return self.folder / f"{self.number:05d}.jsonl"

    def rows(self) -> list[ManifestItem]:
        """Reads the index, and compares it with the items and the length of the payloads.

        Raises:
            ValueError: if the shard is not finished, or the three do not agree.
        """
        try:
            lines = self.index.read_text("ascii").splitlines()
            rows = [ManifestItem.from_json(line) for line in lines]
            *offsets, end = accumulate((row.num_bytes for row in rows), initial=0)
            size = self.path.stat().st_size
        except FileNotFoundError as error:
            raise ValueError(f"{error.filename} is not there") from None
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(f"{self.index} is damaged: {error!r}") from error
        listed = [(item.id, item.labels, item.splits, item.group) for item in self.items]
        if [(row.id, row.labels, row.splits, row.group) for row in rows] != listed:
            raise ValueError(f"{self.index} is damaged: it does not list the items of its shard")
        if [(row.shard, row.offset) for row in rows] != [(self.number, o) for o in offsets]:
            raise ValueError(f"{self.index} is damaged: its payloads do not follow each other")
        if size != end:
            raise ValueError(f"{self.path} has {size:,} bytes and not the {end:,} of its index")
        return rows


def prepare_shard(shard: Shard, context: pool.Context) -> None:
    """Writes one shard and its index, unless they are there and every byte is as it was written."""
    if shard.index.exists():
        if _is_intact(shard):
            for number in range(len(shard.items)):
                with context.item(number):
                    pass  # counted as done
            return
        logger.warning(
            "%s does not have the content it was written with: prepared anew", shard.path
        )
    rows: list[ManifestItem] = []
    content = bytearray()
    for number, item in enumerate(shard.items):
        with context.item(number):
            reason = context.skipped.get(number)
            row, payload = (
                _refused(item, reason) if reason else _prepare_item(item, shard.preparation)
            )
        rows.append(dataclasses.replace(row, shard=shard.number, offset=len(content)))
        content += payload
    write_atomically(shard.path, memoryview(content))
    write_atomically(shard.index, "".join(row.to_json() + "\n" for row in rows).encode("ascii"))


def _is_intact(shard: Shard) -> bool:
    """Compares the rows with the items, and every payload with its digest."""
    try:
        rows = shard.rows()
        with open(shard.path, "rb") as stream:
            return all(row.is_payload(stream.read(row.num_bytes)) for row in rows)
    except (OSError, ValueError, TypeError):
        return False  # not there, or the index cannot be read


def _prepare_item(item: SourceItem, preparation: Preparation) -> tuple[ManifestItem, bytes]:
    """One item's manifest row, not yet placed, and its payload."""
    if item.path is None:
        return _refused(item, f"missing: no {item.sought}")
    try:
        result = transcode(item.path, preparation, item.start_seconds, item.end_seconds)
    except UnusableSource as error:
        return _refused(item, str(error))
    except Exception as error:  # whatever a decoder comes up with is the file's affair
        return _refused(item, f"decoder fails: {error!r}")
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
