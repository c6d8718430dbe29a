"""Random access to a prepared corpus: frames as YUV planes, sound as int16 samples."""

import os
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import numpy as np

from iicl.config import CorpusFacts
from iicl.constants import GOP
from iicl.data.manifest import MANIFEST_NAME, Manifest, ManifestItem, shard_path
from iicl.data.shard_folders import hold_shards


class PreparedCorpus:
    """A prepared corpus on disk. Cheap to pickle and to carry over a fork.

    While it is open in the process that opened it, `iicl prune` leaves its shards alone. Opening it
    looks at the sizes of the shards; reading a clip checks nothing but that it decodes.
    Single changed bytes are found by :meth:`verify`, item by item.

    Attributes:
        path: its folder.
        manifest: what it holds.
    """

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path = path
        self.manifest = manifest
        self._shards = path / manifest.data
        self._decoder: tuple[int, av.VideoCodecContext] | None = None

    @classmethod
    def open(cls, path: Path) -> "PreparedCorpus":
        """Reads the manifest and checks that every shard is there in full.

        Raises:
            ValueError: if ``path`` is no prepared corpus, or a shard is missing or too short.
        """
        corpus = cls(path, Manifest.read(path))
        held = hold_shards(corpus._shards)
        if held is not None:
            weakref.finalize(corpus, os.close, held)
        ends: dict[int, int] = {}
        for item in corpus.manifest.items:
            if item.views:
                ends[item.shard] = max(ends.get(item.shard, 0), item.offset + item.num_bytes)
        for shard, end in ends.items():
            file = corpus._shard(shard)
            if not file.is_file() or file.stat().st_size < end:
                raise ValueError(
                    f"shard {file} is missing or cut short:"
                    f" remove {path / MANIFEST_NAME} and prepare again"
                )
        return corpus

    def select(
        self, views: Sequence[str], split: str | None = None, fold: int | None = None
    ) -> list[int]:
        """Positions of the items that have all of the views, in order.

        Args:
            views: "video", "audio" and "label" (at least one label).
            split: "train" or "test"; None for all items.
            fold: whose split; needed with ``split``.

        Raises:
            ValueError: if a view or a split is unknown, or the fold is not one of the corpus.
        """
        _check(views, ("video", "audio", "label"), "view")
        items = self.manifest.items
        if split is None:
            wanted = items
        else:
            _check([split], ("train", "test"), "split")
            folds = sorted({name for item in items for name in item.splits})
            _check([str(fold)], folds, f"fold of {self.manifest.corpus}")
            wanted = [item for item in items if item.splits.get(str(fold)) == split]
        media = set(views) - {"label"}
        ids = {
            item.id
            for item in wanted
            if item.views and media <= set(item.views) and (item.labels or "label" not in views)
        }
        return [position for position, item in enumerate(items) if item.id in ids]

    def facts(self, positions: Sequence[int]) -> CorpusFacts:
        """What a method that reads the items at ``positions`` may know of the corpus."""
        manifest = self.manifest
        return CorpusFacts(
            corpus=manifest.corpus,
            num_items=len(positions),
            classes=tuple(manifest.classes),
            num_groups=len({manifest.items[position].group for position in positions}),
            log_mel_mean=manifest.log_mel_mean,
            log_mel_std=manifest.log_mel_std,
        )

    def verify(self, position: int) -> None:
        """Reads all that is stored of an item and compares it with the item's digest.

        Raises:
            ValueError: if a byte differs.
        """
        item = self.manifest.items[position]
        with self._opened(item) as handle:
            payload = self._read(handle, item, 0, item.num_bytes)
        if not item.is_payload(payload):
            raise ValueError(
                f"shard {self._shard(item.shard)} is damaged: {item.id} differs from its digest;"
                " run `iicl prepare --verify`"
            )

    def read_video(self, position: int, frames: Sequence[int], out: np.ndarray) -> None:
        """Decodes some frames of an item.

        A frame of height H and width W is laid out as (3H/2, W) uint8: H rows of luma, then H/2
        rows with U in the left and V in the right half. ``out`` may be larger: its luma is the
        upper two thirds of its rows, its U and V the halves of the others.

        Args:
            position: of the item in the manifest.
            frames: frame numbers, 0 to num_frames - 1, in any order, repeated at will.
            out: (len(frames), 3 H' / 2, W') uint8 with H' >= H and W' >= W; what lies outside
                the frame is left as it is.

        Raises:
            ValueError: if the shard's content does not decode.
        """
        item = self.manifest.items[position]
        height, width = item.height, item.width
        rows, half = 2 * out.shape[1] // 3, out.shape[2] // 2
        lower = slice(rows, rows + height // 2)
        targets = (  # luma, U and V of all frames
            out[:, :height, :width],
            out[:, lower, : width // 2],
            out[:, lower, half : half + width // 2],
        )
        places: dict[int, list[int]] = {}
        for place, frame in enumerate(frames):
            places.setdefault(frame, []).append(place)
        for number, decoded in self._decode(item, sorted(places)):
            first, *others = places[number]
            for target, plane in zip(targets, decoded.planes, strict=True):
                size, steps = target.shape[1:], (plane.line_size, 1)
                target[first] = np.ndarray(size, np.uint8, plane, strides=steps)
            for other in others:
                out[other] = out[first]

    def read_audio(self, position: int, start: int, num_samples: int) -> np.ndarray:
        """A window of an item's sound.

        Args:
            position: of the item in the manifest.
            start: first sample, may be negative.
            num_samples: length of the window.

        Returns:
            (num_samples,) int16; zeros where the window reaches beyond the sound.
        """
        item = self.manifest.items[position]
        low, high = max(start, 0), min(start + num_samples, item.num_samples)
        window = np.zeros(num_samples, np.int16)
        if low < high:
            with self._opened(item) as handle:
                content = self._read(handle, item, item.num_video_bytes + 2 * low, 2 * (high - low))
            window[low - start : high - start] = np.frombuffer(content, "<i2")
        return window

    def _decode(self, item: ManifestItem, wanted: list[int]):  # type: ignore[no-untyped-def]
        """Yields (number, frame) for sorted frame numbers, decoding no group without need."""
        first = wanted[0] - wanted[0] % GOP
        with self._opened(item) as handle:
            sizes = np.frombuffer(self._read(handle, item, 0, 4 * item.num_frames), "<u4")
            ends = 4 * item.num_frames + np.cumsum(sizes, dtype=np.int64)
            base = int(ends[first] - sizes[first])
            content = self._read(handle, item, base, int(ends[wanted[-1]]) - base)
        # Bounds of the packets in the content, from frame ``first`` on.
        bounds = [0, *(ends[first : wanted[-1] + 1] - base).tolist()]
        groups = {number - number % GOP: number for number in wanted}  # key frame -> last wanted
        needed = set(wanted)
        decoder = self._fresh_decoder()
        pending: list[int] = []
        try:
            for key, last in groups.items():
                for number in range(key, last + 1):
                    begin, end = bounds[number - first : number - first + 2]
                    pending.append(number)
                    for frame in decoder.decode(av.Packet(content[begin:end])):
                        number_out = pending.pop(0)
                        if number_out in needed:
                            yield number_out, frame
            for frame in decoder.decode(None):
                number_out = pending.pop(0)
                if number_out in needed:
                    yield number_out, frame
        except (av.error.FFmpegError, IndexError) as error:
            raise ValueError(f"{self._shard(item.shard)}: {item.id} does not decode") from error
        if pending:
            raise ValueError(f"{self._shard(item.shard)}: {item.id} lacks frames {pending}")

    def _fresh_decoder(self) -> av.VideoCodecContext:
        """This process's decoder, emptied."""
        if self._decoder is None or self._decoder[0] != os.getpid():
            decoder = av.CodecContext.create("h264", "r")
            decoder.thread_count = 1
            self._decoder = (os.getpid(), decoder)
        self._decoder[1].flush_buffers()
        return self._decoder[1]

    def _shard(self, number: int) -> Path:
        return shard_path(self._shards, number)

    @contextmanager
    def _opened(self, item: ManifestItem) -> Iterator[int]:
        """The shard that holds an item."""
        # Opened for each item: 4 us, and no number of shards exhausts the file handles.
        handle = os.open(self._shard(item.shard), os.O_RDONLY)
        try:
            yield handle
        finally:
            os.close(handle)

    def _read(self, handle: int, item: ManifestItem, start: int, length: int) -> bytes:
        """Bytes of an item's payload, from an opened shard."""
        content = os.pread(handle, length, item.offset + start)
        if len(content) != length:
            raise ValueError(f"shard {self._shard(item.shard)} is cut short: prepare again")
        return content

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_decoder": None}


def _check(values: Sequence[str], legal: Sequence[str], what: str) -> None:
    for value in values:
        if value not in legal:
            raise ValueError(f"no {what} {value!r}; there are: {', '.join(legal)}")
