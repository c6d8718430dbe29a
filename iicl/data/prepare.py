"""From official layouts to a prepared corpus: every source file is decoded once.

``<out>/manifest.jsonl`` names the folder beside it that holds the shards. That folder is named
after the source listing (paths, sizes, modification times) and the preparation, so that two sources
or two preparations never mix, and a prepare that was killed goes on where it stopped, shard by
shard.
"""

import dataclasses
import errno
import hashlib
import json
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from iicl.config import Clip, Preparation
from iicl.data import datasets, pool, transcode
from iicl.data.manifest import (
    FORMAT,
    Listing,
    Manifest,
    ManifestItem,
    SourceItem,
    read_header,
    write_atomic,
)

ITEMS_PER_SHARD = 64
_NUM_STATISTICS_ITEMS = 512  # items over which the log-mel statistics are taken

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Batch:
    """One shard's work."""

    number: int
    items: list[SourceItem]
    folder: Path
    preparation: Preparation


def prepare(
    reader: str,
    source: Path,
    out: Path,
    *,
    corpus: str,
    preparation: Preparation,
    num_workers: int,
    progress: Callable[[int, int], None] | None = None,
) -> Manifest:
    """Prepares a corpus, or finds it prepared already.

    Args:
        reader: name of the dataset reader, see :mod:`iicl.data.datasets`.
        source: root of the official layout.
        out: folder of the prepared corpus, created if need be.
        corpus: name that the manifest bears.
        preparation: what to keep of each file.
        num_workers: decoding processes at a time; 0 counts as 1, decoding never runs in the caller.
        progress: called with (items begun, all items).

    Returns:
        The manifest. An item without any view bears the reason; nothing is left out.

    Raises:
        ValueError: if the source is not laid out as the reader expects or nothing in it is usable.
        OSError: if the disk is full or cannot be written; finished shards stay.
    """
    listing = datasets.reader(reader).discover(source)
    fingerprint = _fingerprint(listing, source, preparation)
    header = read_header(out)
    if header is not None and header["format"] == FORMAT:
        if header["source"] == fingerprint and header["corpus"] == corpus:
            return Manifest.read(out)
        logger.warning(
            "the source or the preparation of %s has changed: preparing anew beside %s",
            out,
            header["data"],
        )
    folder = out / fingerprint[:16]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        items = _prepare_shards(listing.items, folder, preparation, num_workers, progress)
        if not any(item.views for item in items):
            reasons = sorted({item.reason for item in items})
            raise ValueError(
                f"nothing usable among the {len(items)} items of {source}: {'; '.join(reasons[:3])}"
            )
        mean, std = _log_mel_statistics(items, folder, preparation)
        manifest = Manifest(
            corpus=corpus,
            reader=reader,
            preparation=_settings(preparation),
            items=items,
            num_official=listing.num_official,
            log_mel_mean=mean,
            log_mel_std=std,
            versions=_versions(),
            source=fingerprint,
            data=folder.name,
        )
        manifest.write(out)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise OSError(
                error.errno,
                f"the disk is full while preparing {corpus}; run again when it is not",
                out,
            ) from error
        raise
    return manifest


def _settings(preparation: Preparation) -> dict[str, float | int]:
    return preparation.model_dump() | {"gop": transcode.GOP}


def _fingerprint(listing: Listing, source: Path, preparation: Preparation) -> str:
    """Sha256 over what the result depends on, without reading any media."""
    rows = []
    for item in listing.items:
        path, stamp = None, None
        if item.path is not None:
            status = item.path.stat()
            path = os.path.relpath(item.path, source)
            stamp = [status.st_size, status.st_mtime_ns]
        segment = [item.start_seconds, item.end_seconds]
        rows.append(
            [item.id, path, stamp, item.labels, sorted(item.splits.items()), item.group, segment]
        )
    text = json.dumps([FORMAT, _settings(preparation), rows, sorted(listing.num_official.items())])
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _prepare_shards(
    items: Sequence[SourceItem],
    folder: Path,
    preparation: Preparation,
    num_workers: int,
    progress: Callable[[int, int], None] | None,
) -> list[ManifestItem]:
    """Prepares the shards that are not there and reads the index of all."""
    batches = [
        _Batch(number, list(items[start : start + ITEMS_PER_SHARD]), folder, preparation)
        for number, start in enumerate(range(0, len(items), ITEMS_PER_SHARD))
    ]
    todo = [batch for batch in batches if not _is_whole(batch)]
    num_done = len(items) - sum(len(batch.items) for batch in todo)

    def advance() -> None:
        nonlocal num_done
        num_done = min(num_done + 1, len(items))
        if progress is not None:
            progress(num_done, len(items))

    pool.run_batches(prepare_shard, todo, min(num_workers, len(todo)), advance)
    lines = [line for b in batches for line in _index_path(b).read_text("ascii").splitlines()]
    return [ManifestItem.from_json(line) for line in lines]


def _index_path(batch: _Batch) -> Path:
    return batch.folder / f"{batch.number:05d}.jsonl"


def _shard_path(batch: _Batch) -> Path:
    return batch.folder / f"{batch.number:05d}.bin"


def _is_whole(batch: _Batch) -> bool:
    """Whether a shard and its index are there; a person may have lost one of them."""
    index, shard = _index_path(batch), _shard_path(batch)
    if not index.exists() or not shard.exists():
        return False
    rows = [ManifestItem.from_json(line) for line in index.read_text("ascii").splitlines()]
    return shard.stat().st_size == sum(row.num_bytes for row in rows)


def prepare_shard(batch: _Batch, context: pool.Context) -> None:
    """Writes one shard, then its index: the index's presence means that the shard is whole."""
    rows: list[ManifestItem] = []
    payloads: list[bytes] = []
    offset = 0
    for number, item in enumerate(batch.items):
        with context.item(number):
            reason = context.skipped.get(number)
            row, payload = _refused(item, reason) if reason else _prepare_item(item, batch)
        rows.append(dataclasses.replace(row, shard=batch.number, offset=offset))
        payloads.append(payload)
        offset += len(payload)
    write_atomic(_shard_path(batch), lambda stream: stream.writelines(payloads))
    text = "".join(row.to_json() + "\n" for row in rows)
    write_atomic(_index_path(batch), lambda stream: stream.write(text.encode("ascii")))


def _prepare_item(item: SourceItem, batch: _Batch) -> tuple[ManifestItem, bytes]:
    """One item's manifest row, not yet placed, and its payload."""
    if item.path is None:
        return _refused(item, "missing")
    try:
        result = transcode.transcode(
            item.path, batch.preparation, item.start_seconds, item.end_seconds
        )
    except transcode.UnusableSource as error:
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
        digest=hashlib.sha256(payload).hexdigest(),
    )
    return row, payload


def _refused(item: SourceItem, reason: str) -> tuple[ManifestItem, bytes]:
    row = ManifestItem(
        id=item.id, labels=item.labels, splits=item.splits, group=item.group, reason=reason
    )
    return row, b""


def _log_mel_statistics(
    items: Sequence[ManifestItem], folder: Path, preparation: Preparation
) -> tuple[float | None, float | None]:
    """Mean and standard deviation of the default log-mel over evenly chosen items with sound."""
    import torch  # here, because worker processes import this module and need no torch

    from iicl.data.transforms import log_mel

    clip = Clip(sample_rate=preparation.sample_rate)
    window = round(clip.audio_seconds * clip.sample_rate)
    sounding = [item for item in items if "audio" in item.views]
    if not sounding:
        return None, None
    chosen = np.unique(
        np.linspace(0, len(sounding) - 1, min(len(sounding), _NUM_STATISTICS_ITEMS)).astype(int)
    )
    windows = []
    for item in (sounding[number] for number in chosen):
        with open(folder / f"{item.shard:05d}.bin", "rb") as stream:
            stream.seek(item.offset + item.num_video_bytes)
            samples = np.frombuffer(stream.read(2 * item.num_samples), "<i2")
        start = max(0, (len(samples) - window) // 2)
        middle = samples[start : start + window].astype(np.int16)
        windows.append(np.pad(middle, (0, window - len(middle))))
    spectrograms = log_mel(torch.from_numpy(np.stack(windows)), clip).double()
    return spectrograms.mean().item(), spectrograms.std().item()


def _versions() -> dict[str, str]:
    libraries = {
        name: ".".join(map(str, version)) for name, version in sorted(av.library_versions.items())
    }
    return {"av": av.__version__, "numpy": np.__version__, **libraries}
