"""The time and the augmentation of each sample. Pure functions, no torch.

A draw depends only on (seed, epoch, item, number of the clip, name of the sample). Other items and
other samples of the batch do not change it.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from iicl import views
from iicl.config import NO_AUGMENTATION, Augmentation, Clip, Framing
from iicl.data.manifest import ManifestItem
from iicl.data.sampling import Batching
from iicl.samples import Sample, plain
from iicl.seeding import derive_seed

_NO_JITTER = np.ones(3)
_NO_JITTER.setflags(write=False)


@dataclass(frozen=True)
class Contents:
    """What is read of an item.

    Frames are the nearest of the item's own grid; a sample longer than its item starts over. Sound
    that is shorter than its window is filled up with zeros at its end.

    Attributes:
        clip: shape of the samples that have no shape of their own.
        samples: the samples asked for; :func:`iicl.samples.check_samples` says which are legal.
        augmentation: drawn per sample. Without it, and with a ``crop_fraction`` of (1, 1), the crop
            is the central square.
        pairing: "shuffled" takes samples from other items, see :func:`iicl.samples.shuffled`.
        silent: "zero" reads zeros where an item lacks a view and the view allows it (sound);
            "error" refuses the item.
    """

    clip: Clip
    samples: tuple[Sample, ...]
    augmentation: Augmentation = NO_AUGMENTATION
    pairing: Literal["own", "shuffled"] = "own"
    silent: Literal["error", "zero"] = "error"


class Draw(NamedTuple):
    """The time and the augmentation of one sample of an item.

    Attributes:
        start_seconds: begin of the sample, in seconds from the begin of its item.
        boxes: (R, 4) int64 top, left, height, width of the crops, in pixels.
        flip: whether left and right are exchanged.
        jitter: (3,) factors of brightness, contrast and saturation.
        gain: factor of the sound's amplitude.
        numbers: (10,) from 0 to 1, evenly distributed: what the augmentation is made of. A view
            without an augmentation may use them in a way of its own.
    """

    start_seconds: float
    boxes: np.ndarray
    flip: bool
    jitter: np.ndarray
    gain: float
    numbers: np.ndarray


class Drawing:
    """The draws of one clip in an epoch; samples that share numbers draw them once.

    Args:
        contents: what is read of an item.
        batching: how items come.
        epoch: number of the epoch.
        clip_index: number of the clip among those of its item.
    """

    def __init__(self, contents: Contents, batching: Batching, epoch: int, clip_index: int) -> None:
        self.contents, self.batching = contents, batching
        self.epoch, self.clip_index = epoch, clip_index
        self._drawn: dict[tuple[str, ...], np.ndarray] = {}

    def draw(self, sample: Sample, item: ManifestItem, augmented: ManifestItem) -> Draw:
        """Time and augmentation of a sample.

        With "random" sampling both are random; several crops stand at fixed places. With "uniform"
        sampling the clips are evenly spaced and nothing is augmented.

        Args:
            sample: one of the contents' samples.
            item: the item from which the sample is taken.
            augmented: the item from which the sample of :meth:`augmented_as` is taken.
        """
        augmentation, num_crops = self.contents.augmentation, self.batching.num_crops
        framing = self.contents.clip.framing
        start_seconds = self.start_seconds(sample, item)
        numbers = self._numbers(self.augmented_as(sample), augmented)
        if self.batching.sampling == "uniform":
            boxes = uniform_boxes(item.height, item.width, num_crops, framing)
            return Draw(start_seconds, boxes, False, _NO_JITTER, 1.0, numbers)
        if num_crops == 1 and augmentation.crop_fraction != (1.0, 1.0):
            boxes = _random_box(item, augmentation.crop_fraction, numbers[1:4], framing)
        else:
            boxes = uniform_boxes(item.height, item.width, num_crops, framing)
        jitter = _NO_JITTER
        if numbers[5] < augmentation.colour_jitter_probability:
            jitter = 1 + augmentation.colour_jitter * (2 * numbers[6:9] - 1)
        return Draw(
            start_seconds=start_seconds,
            boxes=boxes,
            flip=bool(numbers[4] < augmentation.flip_probability),
            jitter=jitter,
            gain=1 + augmentation.volume * (2 * numbers[9] - 1),
            numbers=numbers,
        )

    def augmented_as(self, sample: Sample) -> Sample:
        """The sample whose augmentation a sample shares; mostly itself."""
        while sample.augmentation_of is not None:
            sample = _named(sample.augmentation_of, self.contents.samples)
        return sample

    def start_seconds(self, sample: Sample, item: ManifestItem) -> float:
        """Begin of a sample, in seconds from the begin of the item from which it is taken."""
        clip, own = self.contents.clip, _extent(sample, item, self.contents.clip)
        if sample.of is None:
            return self._part(sample, item) * _slack(own)
        other = _named(sample.of, self.contents.samples)
        others = _extent(other, item, clip)
        if others is None:  # no time to relate to: take the place that the other sample draws
            return self._part(other, item) * _slack(own)
        start = self.start_seconds(other, item)
        if own is None:
            return start
        (item_seconds, window), (other_item_seconds, other_window) = own, others
        last = item_seconds - window
        if sample.time == "apart":
            return _apart(start, max(window, other_window), last, self._part(sample, item))
        if clip.alignment == "centred":
            start += (min(other_window, other_item_seconds) - window) / 2
        return max(0.0, min(start, last))

    def _part(self, sample: Sample, item: ManifestItem) -> float:
        """Place of a sample between its earliest (0) and its latest (1) possible begin."""
        if self.batching.sampling == "random":
            return float(self._numbers(sample, item)[0])
        num_clips = self.batching.num_clips
        return self.clip_index / (num_clips - 1) if num_clips > 1 else 0.5

    def _numbers(self, sample: Sample, item: ManifestItem) -> np.ndarray:
        """(10,) from 0 to 1: time, crop (3), flip, whether to jitter, jitter (3), gain."""
        # The plain video and the sound with it share a seed without a name. Do not change it: the
        # results of finished runs depend on it.
        shared = sample.name == "video" or (sample.name == "audio" and sample.time == "with")
        what = (item.id,) if shared else (item.id, sample.name)
        if what not in self._drawn:
            item_id, *named = what
            seed = derive_seed(
                self.batching.seed, "sample", self.epoch, item_id, self.clip_index, *named
            )
            # All ten are always drawn, so that no setting changes the draw of another setting.
            self._drawn[what] = np.random.default_rng(seed).random(10)
        return self._drawn[what]


def has_room(item: ManifestItem, samples: Sequence[Sample], clip: Clip) -> bool:
    """Whether an item is long enough for all "whole" samples and all "apart" samples.

    A "whole" sample needs an item of its window. An "apart" sample must find a place wherever the
    other samples lie: with a window of w seconds it needs an item of 2 W + w seconds, where W is
    the longer window of the two. If the other sample begins just before W, the sample cannot begin
    before it, and begins just before 2 W at the earliest. An item that lacks one of the two views
    has no room.
    """
    for sample in samples:
        if sample.whole:
            extent = _extent(sample, item, clip)
            if extent is None or extent[0] < extent[1] - 1e-9:
                return False
        if sample.time != "apart":
            continue
        assert sample.of is not None
        own = _extent(sample, item, clip)
        other = _extent(_named(sample.of, samples), item, clip)
        if own is None or other is None:
            return False
        if own[0] < 2 * max(own[1], other[1]) + own[1] - 1e-9:
            return False
    return True


@functools.lru_cache(maxsize=1024)
def uniform_boxes(height: int, width: int, num_crops: int, framing: Framing = "crop") -> np.ndarray:
    """Squares of the short side, evenly spaced along the longer side; one square: the centre.

    With framing "squash" each is the whole frame instead.

    Returns:
        (num_crops, 4) int64, not to be written to: top, left, height, width.
    """
    tall, wide = _largest_box(height, width, framing)
    parts = np.linspace(0, 1, num_crops) if num_crops > 1 else np.array([0.5])
    tops = np.round(parts * (height - tall)).astype(np.int64)
    lefts = np.round(parts * (width - wide)).astype(np.int64)
    sizes = np.broadcast_to([tall, wide], (num_crops, 2))
    boxes = np.concatenate([tops[:, None], lefts[:, None], sizes], axis=1)
    boxes.setflags(write=False)
    return boxes


def _largest_box(height: int, width: int, framing: Framing) -> tuple[int, int]:
    """Height and width of what a whole picture is made of: a square, or all of the frame."""
    return (height, width) if framing == "squash" else (min(height, width),) * 2


def _random_box(
    item: ManifestItem, fraction: tuple[float, float], draw: np.ndarray, framing: Framing
) -> np.ndarray:
    """A random fraction of the largest box, in length, at a random place: (1, 4) int64."""
    low, high = fraction
    tall, wide = (
        max(1, round((low + (high - low) * draw[0]) * side))
        for side in _largest_box(item.height, item.width, framing)
    )
    top = int(draw[1] * (item.height - tall + 1))
    left = int(draw[2] * (item.width - wide + 1))
    return np.array([[top, left, tall, wide]])


def _named(name: str, samples: Sequence[Sample]) -> Sample:
    """The sample of that name, or the plain sample of a view if the name is not asked for."""
    return next((sample for sample in samples if sample.name == name), None) or plain(name)


def _extent(sample: Sample, item: ManifestItem, clip: Clip) -> tuple[float, float] | None:
    """Seconds of the item and of the sample's window; None without the view, or without a time."""
    view = views.get(sample.view)
    if view.REQUIRES not in (None, *item.views):
        return None
    extent: tuple[float, float] | None = view.extent(item, sample, clip)
    return extent


def _slack(extent: tuple[float, float] | None) -> float:
    """Seconds that an item is longer than a window, at least 0."""
    return max(0.0, extent[0] - extent[1]) if extent else 0.0


def _apart(start: float, distance: float, last: float, part: float) -> float:
    """A time from 0 to ``last`` that is at least ``distance`` before or after ``start``.

    Args:
        start: seconds.
        distance: seconds.
        last: seconds.
        part: place among these times, from 0 (the earliest) to 1 (the latest).
    """
    before, after = min(start - distance, last), last - start - distance
    assert before >= 0 or after >= -1e-6, "no room, see has_room"
    num_before, num_after = max(0.0, before), max(0.0, after)
    time = part * (num_before + num_after)
    if before >= 0 and (time < num_before or after < 0):
        return time
    return start + distance + (time - num_before)
