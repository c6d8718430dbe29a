"""What is trained, and on what."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from iicl.config import NO_AUGMENTATION, GradientExchange, Precision
from iicl.data.draws import Contents
from iicl.data.loader import RawBatch, make_loader
from iicl.data.sampling import Batching, num_steps
from iicl.data.store import PreparedCorpus
from iicl.data.transforms import make_views
from iicl.methods.base import Method


@dataclass(frozen=True)
class TrainItems:
    """The items of a training, and how they come.

    Attributes:
        corpus: where to read.
        positions: of the items in the corpus.
        contents: what is read of an item.
        batching: random batches of all epochs, with the chunk size and this rank's share.
        num_workers: decoding processes.
        device: where the samples are made.
    """

    corpus: PreparedCorpus
    positions: Sequence[int]
    contents: Contents
    batching: Batching
    num_workers: int
    device: torch.device

    @property
    def chunk_size(self) -> int | None:
        """Items that are encoded and normalised together; None: those of a rank's share."""
        return self.batching.chunk_size

    @property
    def steps_per_epoch(self) -> int:
        """Steps of an epoch, which is all passes of ``batching.num_clips``."""
        batching = self.batching
        return num_steps(
            len(self.positions), batching.num_clips, batching.batch_size, batching.drop_last
        )

    @property
    def num_steps(self) -> int:
        """Steps of all epochs."""
        return len(self.batching.epochs) * self.steps_per_epoch

    @property
    def num_left_out_per_epoch(self) -> int:
        """Clips of an epoch that fill no batch."""
        num_clips = len(self.positions) * self.batching.num_clips
        return num_clips - self.steps_per_epoch * self.batching.batch_size

    def batches(self, first_step: int) -> Iterator[RawBatch]:
        """This rank's share of each batch, from a step on."""
        batching = replace(self.batching, start_step=first_step)
        return self._read(self.contents, batching)

    def chunks_in_order(self, epoch: int) -> Iterator[RawBatch]:
        """This rank's share of all items in order, in chunks: middle clips without augmentation.

        What is of another item comes from the one that the epoch's batches take it from.
        """
        contents = replace(self.contents, augmentation=NO_AUGMENTATION)
        size = self.chunk_size or self.batching.batch_size
        batching = Batching(
            "uniform",
            batch_size=size,
            epochs=range(epoch, epoch + 1),
            share=self.batching.share,
            seed=self.batching.seed,
        )
        return self._read(contents, batching)

    def samples(self, batch: RawBatch) -> dict[str, Tensor]:
        """The tensors of a batch by the names of the samples, on the device."""
        return make_views(batch, self.contents.clip, self.device, self.chunk_size)

    def _read(self, contents: Contents, batching: Batching) -> Iterator[RawBatch]:
        loader = make_loader(
            self.corpus,
            self.positions,
            contents,
            batching,
            num_workers=self.num_workers,
            device=self.device,
        )
        return iter(loader)


@dataclass(frozen=True)
class Training:
    """What is trained and how.

    Attributes:
        method: encoders, heads and loss, on the device they train on.
        optimiser: over the method's named parameters that require a gradient, with the rates that
            ``rate`` multiplies.
        rate: learning-rate factor as a function of the finished steps.
        items: what it is trained on.
        precision: of the encoders; losses are float32.
        exchange: precision in which ranks add up their gradients.
    """

    method: Method
    optimiser: torch.optim.Optimizer
    rate: Callable[[int], float]
    items: TrainItems
    precision: Precision
    exchange: GradientExchange = "float64"
