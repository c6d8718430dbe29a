"""Which items form a batch, in which order, and which other items go with them. No torch.

All of this depends only on (seed, epoch). So no batch changes with the number of workers, with the
number of ranks or by a resume.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from iicl.samples import Sample
from iicl.seeding import derive_seed

Sampling = Literal["random", "uniform"]


class Share(NamedTuple):
    """The part of shared work that this process does.

    Attributes:
        rank: number of the process, 0 to num_ranks - 1.
        num_ranks: how many divide the work.
    """

    rank: int
    num_ranks: int

    def of(self, count: int) -> range:
        """Its part of ``count`` things in a row; parts follow each other and may be empty."""
        return range(self.rank * count // self.num_ranks, (self.rank + 1) * count // self.num_ranks)

    def of_batch(self, batch_size: int, chunk_size: int | None) -> range:
        """Its items of a batch that is cut into chunks: whole ones, at least one.

        Args:
            batch_size: items of the batch, of all ranks together.
            chunk_size: items of a chunk; the last may be smaller. None: the batch may be cut
                between any two items.

        Raises:
            ValueError: if there are fewer chunks than ranks.
        """
        chunk_size = chunk_size or 1
        num_chunks = -(-batch_size // chunk_size)
        if num_chunks < self.num_ranks:
            raise ValueError(
                f"a batch of {batch_size} in chunks of {chunk_size} is work for"
                f" {num_chunks} rank{'s' * (num_chunks > 1)}, got {self.num_ranks}"
            )
        chunks = self.of(num_chunks)
        return range(chunks.start * chunk_size, min(chunks.stop * chunk_size, batch_size))


WHOLE = Share(0, 1)


@dataclass(frozen=True)
class Batching:
    """How items come.

    With ``sampling="random"`` an epoch is ``num_clips`` passes over the items, each in its own
    random order, one clip each at a random time; each pass is cut into batches by itself, so that
    no batch holds an item twice. With "uniform" the items come in the order given, each with
    ``num_clips`` clips evenly spaced from its start to its end (one clip: its middle).

    Attributes:
        sampling: "random" for training, "uniform" for evaluation.
        batch_size: clips per batch.
        chunk_size: items of a "random" batch that stay together; None: each share of the batch is
            one chunk, of equal size up to one item.
        num_clips: clips per item and epoch.
        num_crops: 1 for one crop, 3 for left, centre and right along the longer side.
        epochs: numbers of the epochs to read.
        start_step: number of batches to skip at the beginning, because an earlier run has read
            them.
        share: the part to read. With "random" sampling, whole chunks of each batch; with "uniform"
            sampling, whole batches, perhaps none.
        seed: seed of the run.
        drop_last: whether to leave out the last, smaller batch of each pass.
    """

    sampling: Sampling
    batch_size: int
    chunk_size: int | None = None
    num_clips: int = 1
    num_crops: int = 1
    epochs: range = range(1)
    start_step: int = 0
    share: Share = WHOLE
    seed: int = 0
    drop_last: bool = False


class Pick(NamedTuple):
    """What a worker is asked for.

    Attributes:
        epoch: number of the epoch.
        position: position of the item in the manifest.
        clip_index: number of the clip among those of its item.
        sources: for each sample, in order, position of the item from which it is taken.
    """

    epoch: int
    position: int
    clip_index: int
    sources: tuple[int, ...]


class Batches:
    """The picks of every batch of every epoch, as far as they are in the share.

    Args:
        positions: positions of the items in the manifest.
        samples: the samples asked for.
        batching: how items come.

    Raises:
        ValueError: if there is no batch, or a batch has fewer chunks than there are shares.
    """

    def __init__(
        self, positions: Sequence[int], samples: Sequence[Sample], batching: Batching
    ) -> None:
        self._positions, self._samples, self._batching = list(positions), samples, batching
        num_items, num_passes = len(self._positions), batching.num_clips
        if batching.sampling == "uniform":
            num_items, num_passes = num_items * num_passes, 1
        size, drop_last = batching.batch_size, batching.drop_last
        self._per_pass = num_steps(num_items, 1, size, drop_last)
        self._per_epoch = num_steps(num_items, num_passes, size, drop_last)
        if not self._per_epoch:
            raise ValueError(f"{len(self._positions)} items do not fill a batch of {size}")
        self._of_epoch = range(self._per_epoch)
        if batching.sampling == "uniform":
            self._of_epoch = batching.share.of(self._per_epoch)
        else:
            smallest = size if drop_last else num_items % size or size
            # Raise the error of the smallest batch before reading begins.
            batching.share.of_batch(smallest, batching.chunk_size)

    def __len__(self) -> int:
        return sum(len(self._to_come(index)) for index in range(len(self._batching.epochs)))

    def __iter__(self) -> Iterator[list[Pick]]:
        size = self._batching.batch_size
        for index, epoch in enumerate(self._batching.epochs):
            if not (numbers := self._to_come(index)):
                continue
            passes = epoch_passes(self._positions, self._samples, self._batching, epoch)
            for number in numbers:
                of_pass, place = divmod(number, self._per_pass)
                batch = passes[of_pass][place * size : (place + 1) * size]
                if self._batching.sampling == "random":
                    own = self._batching.share.of_batch(len(batch), self._batching.chunk_size)
                    batch = batch[own.start : own.stop]
                yield batch

    def _to_come(self, index: int) -> range:
        """The share's batches of the index-th epoch that no earlier run has seen."""
        seen = self._batching.start_step - index * self._per_epoch
        return range(max(self._of_epoch.start, seen), self._of_epoch.stop)


def num_steps(num_items: int, num_passes: int, batch_size: int, drop_last: bool) -> int:
    """Batches per epoch; every pass is cut into batches by itself.

    So no batch reaches from one pass into the next, where an item could meet itself and be its own
    false negative.
    """
    per_pass = num_items // batch_size if drop_last else -(-num_items // batch_size)
    return num_passes * per_pass


def epoch_passes(
    positions: Sequence[int], samples: Sequence[Sample], batching: Batching, epoch: int
) -> list[list[Pick]]:
    """All picks of an epoch in order, by passes.

    Args:
        positions: positions of the items in the manifest.
        samples: the samples asked for.
        batching: how items come.
        epoch: number of the epoch.
    """
    count, clips = len(positions), range(batching.num_clips)
    cycles = {
        sample.name: partners(count, batching.seed, epoch, sample.name)
        for sample in samples
        if sample.item == "other"
    }
    sources = [
        tuple(positions[k] for k in _sources(number, samples, cycles)) for number in range(count)
    ]
    if batching.sampling == "uniform":
        numbers = range(count)
        return [[Pick(epoch, positions[n], k, sources[n]) for n in numbers for k in clips]]
    generator = np.random.default_rng(derive_seed(batching.seed, "order", epoch))
    return [
        [Pick(epoch, positions[n], k, sources[n]) for n in generator.permutation(count)]
        for k in clips
    ]


def partners(num_items: int, seed: int, epoch: int, name: str) -> np.ndarray:
    """The other item that each item goes with in an epoch: one random cycle through all items.

    Args:
        num_items: how many items are read.
        seed: seed of the run.
        epoch: number of the epoch.
        name: name of the sample that is taken from the other item.

    Returns:
        (num_items,) int64, every number once and, from two items on, none in its own place.
    """
    # The seed has no name for the plain sound. Do not change it: the results of finished runs with
    # shuffled pairs depend on it.
    named = () if name == "audio" else (name,)
    cycle = np.random.default_rng(derive_seed(seed, "pairing", epoch, *named)).permutation(
        num_items
    )
    others = np.empty_like(cycle)
    others[cycle] = np.roll(cycle, -1)
    return others


def _sources(number: int, samples: Sequence[Sample], cycles: Mapping[str, np.ndarray]) -> list[int]:
    """For each sample of an item, number of the item from which it is taken."""
    sources: dict[str | None, int] = {}
    for sample in samples:
        source = sources.get(sample.of, number)
        if sample.item == "other":
            source = int(cycles[sample.name][source])
        sources[sample.name] = source
    return list(sources.values())
