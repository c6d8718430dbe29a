"""Where a sample lies in its item, and how it is augmented. Pure functions, no torch.

A draw depends on (seed, epoch, item, number of the clip, name of the sample) alone: on no other
item, and not on what else is asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from iicl import views
from iicl.config import NO_AUGMENTATION, Augmentation, Clip
from iicl.data.manifest import ManifestItem
from iicl.data.sampling import Batching
from iicl.samples import Sample
from iicl.seeding import derive_seed


@dataclass(frozen=True)
class Contents:
    """What is read of an item.

    Frames are the nearest of the item's own grid; a sample longer than its item starts over. Sound
    that is shorter than its window is filled up with zeros at its end.

    Attributes:
        clip: shape of the samples that have none of their own.
        samples: what is asked for, checked by :func:`iicl.samples.check_samples`.
        augmentation: drawn per sample; without it, and with a ``crop_fraction`` of (1, 1), the crop
            is the central square.
        pairing: "shuffled" takes a sample that is "with" one of another view from another item, see
            :func:`iicl.samples.shuffled`.
        silent: what to do with an item that lacks a view which may be lacking (sound): an error, or
            zeros.
    """

    clip: Clip
    samples: tuple[Sample, ...]
    augmentation: Augmentation = NO_AUGMENTATION
    pairing: Literal["own", "shuffled"] = "own"
    silent: Literal["error", "zero"] = "error"


class Draw(NamedTuple):
    """Everything about a sample of an item that is not in the files.

    Attributes:
        start_seconds: of the sample, from the start of its item.
        boxes: (R, 4) int64 top, left, height, width of the crops, in pixels.
        flip: mirror left and right.
        jitter: (3,) factors of brightness, contrast and saturation.
        gain: factor of the sound's amplitude.
    """

    start_seconds: float
    boxes: np.ndarray
    flip: bool
    jitter: np.ndarray
    gain: float


@dataclass(frozen=True)
class Drawing:
    """The draws of one clip in an epoch.

    Attributes:
        contents: what is read.
        batching: how items come.
        epoch: its number.
        clip_index: number of the clip among those of its item.
    """

    contents: Contents
    batching: Batching
    epoch: int
    clip_index: int

    def draw(self, sample: Sample, item: ManifestItem, augmented: ManifestItem) -> Draw:
        """A random time and random augmentation, or, with "uniform" sampling, an even one and none.

        Several crops stand at fixed places.

        Args:
            sample: one of the contents' samples.
            item: that the sample is taken from.
            augmented: that the sample of :meth:`augmented_as` is taken from.
        """
        augmentation, num_crops = self.contents.augmentation, self.batching.num_crops
        start_seconds = self.start_seconds(sample, item)
        boxes = uniform_boxes(item.height, item.width, num_crops)
        if self.batching.sampling == "uniform":
            return Draw(start_seconds, boxes, False, np.ones(3), 1.0)
        numbers = self._numbers(self.augmented_as(sample), augmented)
        jittered = numbers[5] < augmentation.colour_jitter_probability
        if num_crops == 1 and augmentation.crop_fraction != (1.0, 1.0):
            boxes = _random_box(item, augmentation.crop_fraction, numbers[1:4])
        return Draw(
            start_seconds=start_seconds,
            boxes=boxes,
            flip=bool(numbers[4] < augmentation.flip_probability),
            jitter=1 + augmentation.colour_jitter * (2 * numbers[6:9] - 1) * jittered,
            gain=1 + augmentation.volume * (2 * numbers[9] - 1),
        )

    def augmented_as(self, sample: Sample) -> Sample:
        """The sample whose augmentation a sample shares; mostly itself."""
        while sample.augmentation_of is not None:
            sample = _named(sample.augmentation_of, self.contents.samples)
        return sample

    def start_seconds(self, sample: Sample, item: ManifestItem) -> float:
        """When a sample begins, from the start of the item that it is taken from."""
        clip, own = self.contents.clip, _extent(sample, item, self.contents.clip)
        if sample.of is None:
            return self._part(sample, item) * _slack(own)
        other = _named(sample.of, self.contents.samples)
        others = _extent(other, item, clip)
        if others is None:  # the time that the other draws, over the length that there is
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
        """Where a sample lies between the first and the last place that it may have, 0 to 1."""
        if self.batching.sampling == "random":
            return float(self._numbers(sample, item)[0])
        num_clips = self.batching.num_clips
        return self.clip_index / (num_clips - 1) if num_clips > 1 else 0.5

    def _numbers(self, sample: Sample, item: ManifestItem) -> np.ndarray:
        """(10,) of 0 to 1: time, crop (3), flip, whether to jitter, jitter (3), gain."""
        # What the samples that came first share keeps the draws of their runs as they were.
        shared = sample.name == "video" or (sample.name == "audio" and sample.time == "with")
        named = () if shared else (sample.name,)
        seed = derive_seed(
            self.batching.seed, "sample", self.epoch, item.id, self.clip_index, *named
        )
        # Always all of them: no setting changes what another one draws.
        return np.random.default_rng(seed).random(10)


def has_room(item: ManifestItem, samples: Sequence[Sample], clip: Clip) -> bool:
    """Whether an item is long enough for all "apart" samples, wherever the others lie.

    Of a sample's window w and the longer window W of it and the other, that takes 2 W + w: the
    other may begin just before W, and then only what follows it by W is left.
    """
    for sample in samples:
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


def uniform_boxes(height: int, width: int, num_crops: int) -> np.ndarray:
    """Squares of the short side, evenly spaced along the longer side; one square: the centre.

    Returns:
        (num_crops, 4) int64: top, left, height, width.
    """
    side = min(height, width)
    parts = np.linspace(0, 1, num_crops) if num_crops > 1 else np.array([0.5])
    tops = np.round(parts * (height - side)).astype(np.int64)
    lefts = np.round(parts * (width - side)).astype(np.int64)
    sides = np.full(num_crops, side)
    return np.stack([tops, lefts, sides, sides], axis=1)


def _random_box(item: ManifestItem, fraction: tuple[float, float], draw: np.ndarray) -> np.ndarray:
    """A square at a random place, its side a random fraction of the short side: (1, 4) int64."""
    if fraction == (1.0, 1.0):
        return uniform_boxes(item.height, item.width, 1)
    low, high = fraction
    side = max(1, round((low + (high - low) * draw[0]) * min(item.height, item.width)))
    top = int(draw[1] * (item.height - side + 1))
    left = int(draw[2] * (item.width - side + 1))
    return np.array([[top, left, side, side]])


def _named(name: str, samples: Sequence[Sample]) -> Sample:
    """The sample of that name; one that nobody asks for is the plain sample of a view."""
    return next((sample for sample in samples if sample.name == name), Sample(name))


def _extent(sample: Sample, item: ManifestItem, clip: Clip) -> tuple[float, float] | None:
    """Seconds of the item and of the sample's window; None if it has no such view, or no time."""
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
        part: which of these times, 0 (the earliest) to 1 (the latest).
    """
    before, after = min(start - distance, last), last - start - distance
    assert before >= 0 or after >= -1e-6, "no room, see has_room"
    num_before, num_after = max(0.0, before), max(0.0, after)
    time = part * (num_before + num_after)
    if before >= 0 and (time < num_before or after < 0):
        return time
    return start + distance + (time - num_before)
