"""Batches of raw clips from a prepared corpus: the DataLoader around :mod:`iicl.data.sampling`.

Workers decode and decide nothing. They also compare stored bytes with their digests: in training
those of every item once in ``VERIFY_EPOCHS`` epochs, which takes less than 1% of the time; in
evaluation those of every item once.
"""

import dataclasses
import logging
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler, get_worker_info

from iicl.config import NO_AUGMENTATION, Augmentation, Clip
from iicl.constants import VERIFY_EPOCHS
from iicl.data.manifest import ManifestItem
from iicl.data.sampling import (
    WHOLE,
    Draw,
    Pairing,
    Sample,
    Sampling,
    Share,
    draw_random,
    draw_uniform,
    epoch_passes,
    first_sound_sample,
    frame_numbers,
    num_steps,
)
from iicl.data.store import PreparedCorpus
from iicl.data.workers import POLL_SECONDS, Pulse, WorkerError, read_watched, share, start_worker

logger = logging.getLogger(__name__)


@dataclass
class RawBatch:
    """Decoded samples and what :func:`iicl.data.transforms.make_views` shall do with them.

    Attributes:
        views: "video" (B, T, 3H/2, W) uint8: H rows of luma, then U and V side by side, as in
            :meth:`PreparedCorpus.read_video`, H and W the largest of the batch; "audio" (B,
            samples) int16; "label" (B, classes) float32 rows summing to 1. Those asked for.
        positions: (B,) items in the manifest.
        clip_index: (B,) number of the clip among those of its item.
        sizes: (B, 2) true height and width of the frames.
        boxes: (B, R, 4) top, left, height, width of R crops of each clip, in pixels.
        flips: (B,) bool, mirror left and right.
        jitter: (B, 3) factors of brightness, contrast and saturation; 1 changes nothing.
        gain: (B,) factor of the sound's amplitude.
    """

    views: dict[str, torch.Tensor]
    positions: torch.Tensor
    clip_index: torch.Tensor
    sizes: torch.Tensor
    boxes: torch.Tensor
    flips: torch.Tensor
    jitter: torch.Tensor
    gain: torch.Tensor

    def __len__(self) -> int:
        return len(self.positions)

    def tensors(self) -> list[torch.Tensor]:
        """All of its tensors."""
        fields = (getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "views")
        return [*self.views.values(), *fields]

    def pin_memory(self) -> "RawBatch":
        """The batch in page-locked memory; the DataLoader calls this."""
        tensors = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        views = {name: view.pin_memory() for name, view in tensors.pop("views").items()}
        return RawBatch(views=views, **{name: t.pin_memory() for name, t in tensors.items()})


def make_loader(
    corpus: PreparedCorpus,
    positions: Sequence[int],
    clip: Clip,
    *,
    views: Sequence[str],
    sampling: Sampling,
    batch_size: int,
    num_clips: int = 1,
    num_crops: int = 1,
    augmentation: Augmentation = NO_AUGMENTATION,
    seed: int = 0,
    epochs: range = range(1),
    drop_last: bool = False,
    num_workers: int = 0,
    start_step: int = 0,
    silent: Literal["error", "zero"] = "error",
    pairing: Pairing = "own",
    share: Share = WHOLE,
    chunk_size: int | None = None,
) -> "Loader":
    """Batches of all epochs in turn, so that workers start once.

    With ``sampling="random"`` an epoch is ``num_clips`` passes over the items, each in its own
    random order, one clip each at a random time; each pass is cut into batches by itself, so that
    no batch holds an item twice. With "uniform" the items come in the order given,
    each with ``num_clips`` clips evenly spaced from its start to its end (one clip: its middle).

    Frames are the nearest of the item's own grid. A clip longer than its item loops over it. The
    window of sound is centred on the clip (or starts with it, ``clip.alignment``), is moved to lie
    within the sound, and is filled up with zeros at its end where the sound is shorter than the
    window.

    Args:
        corpus: where to read.
        positions: items to read, from :meth:`PreparedCorpus.select`.
        clip: shape of a sample.
        views: "video", "audio", "label".
        sampling: "random" for training, "uniform" for evaluation.
        batch_size: clips per batch.
        num_clips: clips per item and epoch.
        num_crops: 1 for one crop, 3 for left, centre and right along the longer side.
        augmentation: drawn per sample; without it, and with a ``crop_fraction`` of (1, 1), the crop
            is the central square.
        seed: of the run.
        epochs: numbers of the epochs to go through.
        drop_last: leave out each pass's last, smaller batch.
        num_workers: decoding processes; 0 decodes in the caller. They need Linux: elsewhere a fork
            is not safe, and the caller decodes, with a warning.
        start_step: batches to leave out at the beginning: those that an earlier run has seen.
        silent: what to do when sound is asked of an item without: an error, or zeros.
        pairing: "shuffled" gives each item, for an epoch at a time, the sound of another one, with
            the time and gain that this other item has as the sound of its own video.
        share: the part to read. With "random" sampling it is of each batch, whole chunks of it;
            with "uniform" it is of the batches, whole ones, and may be none.
        chunk_size: items of a "random" batch that stay together; None: all of them.

    Returns:
        An iterable of :class:`RawBatch` whose ``len`` is the number of batches still to come.

    Raises:
        ValueError: if an item lacks a view, the corpus has another sample rate, there is nothing to
            read, or evaluation is to be augmented or shuffled, or a lone item to be shuffled, or a
            batch has fewer chunks than there are shares; while iterating, if a shard is found
            damaged.
        WorkerError: while iterating, see :func:`iicl.data.workers.read_watched`.
    """
    _check(corpus, positions, clip, views, silent)
    if sampling == "uniform" and augmentation != NO_AUGMENTATION:
        raise ValueError(f"uniform sampling takes no augmentation, got {augmentation}")
    if pairing == "shuffled" and (sampling == "uniform" or len(positions) < 2):
        raise ValueError(
            f"shuffled pairs need random sampling of 2 items or more,"
            f" got {sampling} sampling of {len(positions)}"
        )
    if num_crops not in (1, 3):
        raise ValueError(f"num_crops must be 1 or 3, got {num_crops}")
    batches = _Batches(
        positions,
        sampling,
        pairing,
        num_clips,
        batch_size,
        seed,
        epochs,
        drop_last,
        start_step,
        share,
        chunk_size or batch_size,
    )
    if num_workers and sys.platform != "linux":
        logger.warning("num_workers %d needs Linux: this process decodes by itself", num_workers)
        num_workers = 0
    pulse = Pulse(max(1, num_workers))
    clips = _Clips(
        corpus, clip, tuple(views), sampling, num_clips, num_crops, augmentation, seed, pulse
    )
    return Loader(clips, batches, num_workers)


class Loader:
    """The batches that :func:`make_loader` describes, anew at every iteration."""

    def __init__(self, clips: "_Clips", batches: "_Batches", num_workers: int) -> None:
        self._clips = clips
        self._loader = DataLoader(
            clips,
            batch_sampler=batches,
            num_workers=num_workers,
            collate_fn=_in_shared_memory,
            worker_init_fn=start_worker,
            pin_memory=torch.cuda.is_available(),
            timeout=POLL_SECONDS if num_workers else 0,
            # A fork costs milliseconds; workers touch neither the GPU nor the parent's threads.
            multiprocessing_context="fork" if num_workers else None,
        )

    def __len__(self) -> int:
        return len(self._loader)

    def __iter__(self) -> Iterator[RawBatch]:
        if self._loader.num_workers:
            return read_watched(self._loader, self._clips.pulse)
        return iter(self._loader)


class _Batches(Sampler[list[Sample]]):
    """The samples of every batch of every epoch, as far as they are in the share."""

    def __init__(
        self,
        positions: Sequence[int],
        sampling: Sampling,
        pairing: Pairing,
        num_clips: int,
        batch_size: int,
        seed: int,
        epochs: range,
        drop_last: bool,
        start_step: int,
        share: Share,
        chunk_size: int,
    ) -> None:
        self.positions = list(positions)
        self.sampling: Sampling = sampling
        self.pairing: Pairing = pairing
        self.num_clips = num_clips
        self.batch_size = batch_size
        self.seed = seed
        self.epochs = epochs
        num_items, num_passes = len(self.positions), num_clips
        if sampling == "uniform":
            num_items, num_passes = num_items * num_clips, 1
        self.per_pass = num_steps(num_items, 1, batch_size, drop_last)
        self.per_epoch = num_steps(num_items, num_passes, batch_size, drop_last)
        self.start_step = start_step
        self.share = share
        self.chunk_size = chunk_size
        if not self.per_epoch:
            raise ValueError(f"{len(self.positions)} items do not fill a batch of {batch_size}")
        self.of_epoch = range(self.per_epoch)
        if sampling == "uniform":
            self.of_epoch = share.of(self.per_epoch)
        else:
            smallest = batch_size if drop_last else num_items % batch_size or batch_size
            share.of_batch(smallest, chunk_size)  # raises now what it would raise later

    def __len__(self) -> int:
        return sum(len(self._to_come(index)) for index in range(len(self.epochs)))

    def __iter__(self) -> Iterator[list[Sample]]:
        for index, epoch in enumerate(self.epochs):
            if not (numbers := self._to_come(index)):
                continue
            passes = epoch_passes(
                self.positions, self.sampling, self.num_clips, self.seed, epoch, self.pairing
            )
            for number in numbers:
                of_pass, first = divmod(number, self.per_pass)
                first *= self.batch_size
                batch = passes[of_pass][first : first + self.batch_size]
                if self.sampling == "random":
                    own = self.share.of_batch(len(batch), self.chunk_size)
                    batch = batch[own.start : own.stop]
                yield batch

    def _to_come(self, index: int) -> range:
        """The share's batches of the index-th epoch that no earlier run has seen."""
        seen = self.start_step - index * self.per_epoch
        return range(max(self.of_epoch.start, seen), self.of_epoch.stop)


@dataclass
class _Clips(Dataset):
    """Turns a list of samples into a batch."""

    corpus: PreparedCorpus
    clip: Clip
    views: tuple[str, ...]
    sampling: Sampling
    num_clips: int
    num_crops: int
    augmentation: Augmentation
    seed: int
    pulse: Pulse

    def __post_init__(self) -> None:
        self.class_index = {label: k for k, label in enumerate(self.corpus.manifest.classes)}

    def __getitems__(self, samples: list[Sample]) -> RawBatch:
        period = VERIFY_EPOCHS if self.sampling == "random" else 1
        for sample in samples:
            if sample.clip_index == 0 and (sample.position + sample.epoch) % period == 0:
                self.corpus.verify(sample.position)
                self.pulse.beat()
        items = [self.corpus.manifest.items[sample.position] for sample in samples]
        draws = [self._draw(sample, item) for sample, item in zip(samples, items, strict=True)]
        heard = [self.corpus.manifest.items[sample.sound_position] for sample in samples]
        sounds = [
            draw if sample.sound_position == sample.position else self._draw(sample, item)
            for draw, sample, item in zip(draws, samples, heard, strict=True)
        ]
        views = {}
        if "video" in self.views:
            views["video"] = self._video(samples, items, draws)
        if "audio" in self.views:
            views["audio"] = self._audio(samples, heard, sounds)
        if "label" in self.views:
            views["label"] = self._label(items)
        return RawBatch(
            views=views,
            positions=torch.tensor([sample.position for sample in samples]),
            clip_index=torch.tensor([sample.clip_index for sample in samples]),
            sizes=torch.tensor([[item.height, item.width] for item in items]),
            boxes=torch.from_numpy(np.stack([draw.boxes for draw in draws])),
            flips=torch.tensor([draw.flip for draw in draws]),
            jitter=torch.from_numpy(np.stack([draw.jitter for draw in draws])).float(),
            gain=torch.tensor([sound.gain for sound in sounds]),
        )

    def _draw(self, sample: Sample, item: ManifestItem) -> Draw:
        """Of the sample's video with its own item, of its sound with the item that is heard."""
        number = sample.clip_index
        if self.sampling == "uniform":
            return draw_uniform(item, number, self.num_clips, self.num_crops, self.clip)
        return draw_random(
            item, sample.epoch, number, self.seed, self.num_crops, self.augmentation, self.clip
        )

    def _video(
        self, samples: list[Sample], items: list[ManifestItem], draws: list[Draw]
    ) -> torch.Tensor:
        height, width = (max(getattr(i, side) for i in items) for side in ("height", "width"))
        padded = any((item.height, item.width) != (height, width) for item in items)
        allocate = torch.zeros if padded else torch.empty
        shape = (len(items), self.clip.num_frames, 3 * height // 2, width)
        video = allocate(shape, dtype=torch.uint8)
        for out, sample, item, draw in zip(video.numpy(), samples, items, draws, strict=True):
            numbers = frame_numbers(item, draw.start_seconds, self.clip)
            self.corpus.read_video(sample.position, numbers.tolist(), out)
            self.pulse.beat()
        return video

    def _audio(
        self, samples: list[Sample], items: list[ManifestItem], draws: list[Draw]
    ) -> torch.Tensor:
        length = round(self.clip.audio_seconds * self.clip.sample_rate)
        audio = np.empty((len(items), length), np.int16)
        for out, sample, item, draw in zip(audio, samples, items, draws, strict=True):
            first = first_sound_sample(item, draw.start_seconds, self.clip)
            out[:] = self.corpus.read_audio(sample.sound_position, first, length)
            self.pulse.beat()
        return torch.from_numpy(audio)

    def _label(self, items: list[ManifestItem]) -> torch.Tensor:
        label = torch.zeros(len(items), len(self.class_index))
        for row, item in zip(label, items, strict=True):
            for name in item.labels:
                row[self.class_index[name]] = 1 / len(item.labels)
        return label


def _check(
    corpus: PreparedCorpus,
    positions: Sequence[int],
    clip: Clip,
    views: Sequence[str],
    silent: str,
) -> None:
    if not positions:
        raise ValueError(f"nothing to read from {corpus.path}")
    rate = corpus.manifest.preparation["sample_rate"]
    if "audio" in views and clip.sample_rate != rate:
        raise ValueError(f"the corpus is prepared at {rate} Hz, the clip asks {clip.sample_rate}")
    needed = [v for v in views if not (v == "audio" and silent == "zero")]
    lacking = sorted(set(positions) - set(corpus.select(needed)))
    if lacking:
        item = corpus.manifest.items[lacking[0]]
        raise ValueError(
            f"{len(lacking)} items lack one of {needed}, the first is {item.id} ({item.reason})"
        )


def _in_shared_memory(batch: Any) -> RawBatch | WorkerError:
    return batch if get_worker_info() is None else share(batch.tensors()) or batch
