"""Which samples an epoch holds, and where a sample lies in its item. Pure functions, no torch.

Which samples form a batch, and whose sound goes with which video, depends on (seed, epoch) alone;
the start of a clip and its augmentation on (seed, epoch, item, clip number) alone. So neither the
number of workers or ranks nor a resume changes a sample.
"""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from iicl.config import Augmentation, Clip
from iicl.data.manifest import ManifestItem
from iicl.seeding import derive_seed

Sampling = Literal["random", "uniform"]
Pairing = Literal["own", "shuffled"]


class Sample(NamedTuple):
    """What a worker is asked for.

    Attributes:
        epoch: its number.
        position: of the item in the manifest.
        clip_index: number of the clip among those of its item.
        sound_position: of the item whose sound is heard; ``position`` but for shuffled pairs.
    """

    epoch: int
    position: int
    clip_index: int
    sound_position: int


class Share(NamedTuple):
    """Which part of work that several processes divide is one's own.

    Attributes:
        rank: number of the process, 0 to num_ranks - 1.
        num_ranks: how many divide the work.
    """

    rank: int
    num_ranks: int

    def of(self, count: int) -> range:
        """Its part of ``count`` things in a row; parts follow each other and may be empty."""
        return range(self.rank * count // self.num_ranks, (self.rank + 1) * count // self.num_ranks)

    def of_batch(self, batch_size: int, chunk_size: int) -> range:
        """Its items of a batch that is cut into chunks: whole ones, at least one.

        Args:
            batch_size: items of the batch, of all ranks together.
            chunk_size: items of a chunk; the last may be smaller.

        Raises:
            ValueError: if there are fewer chunks than ranks.
        """
        num_chunks = -(-batch_size // chunk_size)
        if num_chunks < self.num_ranks:
            raise ValueError(
                f"a batch of {batch_size} in chunks of {chunk_size} is work for"
                f" {num_chunks} rank{'s' * (num_chunks > 1)}, got {self.num_ranks}"
            )
        chunks = self.of(num_chunks)
        return range(chunks.start * chunk_size, min(chunks.stop * chunk_size, batch_size))


WHOLE = Share(0, 1)


class Draw(NamedTuple):
    """Everything about a sample that is not in the files.

    Attributes:
        start_seconds: of the clip, from the start of its item.
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


def num_steps(num_items: int, num_passes: int, batch_size: int, drop_last: bool) -> int:
    """Batches per epoch; every pass is cut into batches by itself.

    So no batch reaches from one pass into the next, where an item could meet itself and be its own
    false negative.
    """
    per_pass = num_items // batch_size if drop_last else -(-num_items // batch_size)
    return num_passes * per_pass


def epoch_passes(
    positions: Sequence[int],
    sampling: Sampling,
    num_clips: int,
    seed: int,
    epoch: int,
    pairing: Pairing = "own",
) -> list[list[Sample]]:
    """All samples of an epoch in order, by passes.

    Args:
        positions: of the items in the manifest.
        sampling: "random": ``num_clips`` passes over the items, each in its own random order;
            "uniform": one pass in the order given, each item with its clips from first to last.
        num_clips: clips per item.
        seed: of the run.
        epoch: its number.
        pairing: "shuffled" gives each item the sound of another, as :func:`sounds_of_others`.
    """
    if sampling == "uniform":
        return [[Sample(epoch, p, k, p) for p in positions for k in range(num_clips)]]
    numbers = range(len(positions))
    sounds = numbers if pairing == "own" else sounds_of_others(len(positions), seed, epoch)
    generator = np.random.default_rng(derive_seed(seed, "order", epoch))
    return [
        [
            Sample(epoch, positions[number], k, positions[sounds[number]])
            for number in generator.permutation(len(positions))
        ]
        for k in range(num_clips)
    ]


def sounds_of_others(num_items: int, seed: int, epoch: int) -> np.ndarray:
    """Whose sound each item is given in an epoch: one random cycle through all items.

    Returns:
        (num_items,) int64, every number once and, from two items on, none in its own place.
    """
    cycle = np.random.default_rng(derive_seed(seed, "pairing", epoch)).permutation(num_items)
    sounds = np.empty_like(cycle)
    sounds[cycle] = np.roll(cycle, -1)
    return sounds


def draw_uniform(
    item: ManifestItem, clip_index: int, num_clips: int, num_crops: int, clip: Clip
) -> Draw:
    """Clip ``clip_index`` of ``num_clips`` evenly spaced ones (one: the middle), unchanged."""
    part = clip_index / (num_clips - 1) if num_clips > 1 else 0.5
    boxes = uniform_boxes(item.height, item.width, num_crops)
    return Draw(part * _slack(item, clip), boxes, False, np.ones(3), 1.0)


def draw_random(
    item: ManifestItem,
    epoch: int,
    clip_index: int,
    seed: int,
    num_crops: int,
    augmentation: Augmentation,
    clip: Clip,
) -> Draw:
    """A random time and random augmentation; several crops stand at fixed places."""
    generator = np.random.default_rng(derive_seed(seed, "sample", epoch, item.id, clip_index))
    draw = generator.random(10)  # always all of them: no setting shifts what another one draws
    jittered = draw[5] < augmentation.colour_jitter_probability
    if num_crops == 1:
        boxes = _random_box(item, augmentation.crop_fraction, draw[1:4])
    else:
        boxes = uniform_boxes(item.height, item.width, num_crops)
    return Draw(
        start_seconds=draw[0] * _slack(item, clip),
        boxes=boxes,
        flip=bool(draw[4] < augmentation.flip_probability),
        jitter=1 + augmentation.colour_jitter * (2 * draw[6:9] - 1) * jittered,
        gain=1 + augmentation.volume * (2 * draw[9] - 1),
    )


def first_sound_sample(item: ManifestItem, start_seconds: float, clip: Clip) -> int:
    """Where the window of sound of a clip begins, moved to lie within the item's sound.

    Args:
        item: its sound is ``num_samples`` long.
        start_seconds: of the clip.
        clip: length of the window, its rate, and whether it is centred on the clip.
    """
    if clip.alignment == "centred":
        seconds = min(_clip_seconds(item, clip), _item_seconds(item, clip))
        start_seconds += (seconds - clip.audio_seconds) / 2
    first = round(start_seconds * clip.sample_rate)
    return max(0, min(first, item.num_samples - round(clip.audio_seconds * clip.sample_rate)))


def frame_numbers(item: ManifestItem, start_seconds: float, clip: Clip) -> np.ndarray:
    """Frames of an item that are nearest to a clip's times.

    Args:
        item: its grid has ``num_frames`` frames at ``fps``.
        start_seconds: time of the clip's first frame.
        clip: number of frames and their rate.

    Returns:
        (clip.num_frames,) int64 in 0 to num_frames - 1; they start over where the clip is longer
        than the item.
    """
    times = start_seconds + np.arange(clip.num_frames) / clip.fps
    numbers = np.floor(times * item.fps + 0.5 + 1e-6).astype(np.int64)
    if clip.seconds > item.num_frames / item.fps + 1e-6:
        return numbers % item.num_frames
    return np.minimum(numbers, item.num_frames - 1)


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


def _slack(item: ManifestItem, clip: Clip) -> float:
    """Seconds that an item is longer than a clip, at least 0."""
    return max(0.0, _item_seconds(item, clip) - _clip_seconds(item, clip))


def _item_seconds(item: ManifestItem, clip: Clip) -> float:
    if "video" in item.views:
        return item.num_frames / item.fps
    return item.num_samples / clip.sample_rate


def _clip_seconds(item: ManifestItem, clip: Clip) -> float:
    return clip.seconds if "video" in item.views else clip.audio_seconds
