"""From official layouts to a prepared corpus: every source file is decoded once.

``<out>/manifest.jsonl`` names the folder beside it that holds the shards. That folder is named
after the source listing (paths, sizes, modification times) and the preparation, so that two sources
or two preparations never mix, and a prepare that was killed goes on where it stopped, shard by
shard.

What is checked when: a finished corpus costs one look at the manifest and the sizes of its shards,
so that two million clips are opened in seconds. The sha256 of every payload is compared by a
preparation that goes on and finds shards of an earlier one, by ``verify``, and, piecemeal, by the
loader (:mod:`iicl.data.loader`). Payloads that are not as they were written are prepared anew by
the first two and are an error in the third.
"""

import errno
import hashlib
import json
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import av
import numpy as np

from iicl.config import Clip, Preparation
from iicl.data import datasets, pool
from iicl.data.encode import GOP
from iicl.data.manifest import (
    FORMAT,
    Listing,
    Manifest,
    ManifestItem,
    SourceItem,
    read_header,
    shard_path,
)
from iicl.data.shards import Shard, prepare_shard
from iicl.data.store import PreparedCorpus

ITEMS_PER_SHARD = 64
_NUM_STATISTICS_ITEMS = 512  # items over which the log-mel statistics are taken

logger = logging.getLogger(__name__)


def prepare(
    reader: str,
    source: Path,
    out: Path,
    *,
    corpus: str,
    preparation: Preparation,
    num_workers: int,
    progress: Callable[[int, int], None] | None = None,
    verify: bool = False,
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
        verify: read a corpus that is prepared already from end to end, compare every payload with
            its digest and prepare anew what differs.

    Returns:
        The manifest. An item without any view bears the reason; nothing is left out.

    Raises:
        ValueError: if the source is not laid out as the reader expects or nothing in it is usable.
        OSError: if the disk is full or cannot be written; finished shards stay.
    """
    listing = datasets.reader(reader).discover(source)
    fingerprint = _fingerprint(listing, source, preparation)
    prepared = _prepared(out, corpus, fingerprint)
    if prepared is not None and not verify:
        return prepared
    folder = out / fingerprint[:16]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        items = _prepare_shards(listing.items, folder, preparation, num_workers, progress)
        if prepared is not None and prepared.items == items:
            return prepared
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


def _prepared(out: Path, corpus: str, fingerprint: str) -> Manifest | None:
    """The manifest in ``out`` if it is of this listing and preparation and has its shards."""
    try:
        header = read_header(out)
        if header is None:
            return None
        if (header["format"], header.get("source")) != (FORMAT, fingerprint):
            logger.warning(
                "the source or the preparation of %s has changed: preparing anew beside %s",
                out,
                header.get("data"),
            )
            return None
        return PreparedCorpus.open(out).manifest if header.get("corpus") == corpus else None
    except ValueError as error:
        logger.warning("%s; keeping what is whole and preparing the rest", error)
        return None


def _settings(preparation: Preparation) -> dict[str, float | int]:
    return preparation.model_dump() | {"gop": GOP}


def _fingerprint(listing: Listing, source: Path, preparation: Preparation) -> str:
    """Sha256 over what the result depends on, without reading any media."""
    rows = []
    for item in listing.items:
        path, stamp = None, None
        if item.path is not None:
            path = os.path.relpath(item.path, source)
            if os.access(item.path, os.R_OK):  # no broken link, nothing forbidden
                status = item.path.stat()
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
    """Prepares the shards that are not there or damaged, and reads the index of all."""
    shards = [
        Shard(number, list(items[start : start + ITEMS_PER_SHARD]), folder, preparation)
        for number, start in enumerate(range(0, len(items), ITEMS_PER_SHARD))
    ]
    num_done = 0

    def advance() -> None:
        nonlocal num_done
        num_done = min(num_done + 1, len(items))
        if progress is not None:
            progress(num_done, len(items))

    pool.run_batches(prepare_shard, shards, min(num_workers, len(shards)), advance)
    return [row for shard in shards for row in shard.rows()]


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
        with open(shard_path(folder, item.shard), "rb") as stream:
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
