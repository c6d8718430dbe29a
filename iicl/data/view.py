"""What a module of :mod:`iicl.views` offers, and what it is given."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from iicl.config import Clip
from iicl.data.draws import Draw
from iicl.data.manifest import ManifestItem
from iicl.samples import Sample

if TYPE_CHECKING:
    import torch

    from iicl.data.store import PreparedCorpus


class Drawn(NamedTuple):
    """A sample of one item.

    Attributes:
        position: of the item in the manifest.
        item: its row there.
        draw: the time and the augmentation.
    """

    position: int
    item: ManifestItem
    draw: Draw


@dataclass(frozen=True)
class Reading:
    """What all samples of one name have in common when they are read.

    Attributes:
        corpus: where to read.
        clip: the shape of samples that have none of their own.
        sample: what was asked for.
        facts: what ``prepare`` of the view returned.
        beat: to be called after every item that takes time to read; a worker that gives no beat
            for long counts as stuck.
    """

    corpus: "PreparedCorpus"
    clip: Clip
    sample: Sample
    facts: Any
    beat: Callable[[], None]


class View(Protocol):
    """A module of :mod:`iicl.views`. Importing it imports no torch."""

    REQUIRES: str | None
    """What an item must have, as :meth:`PreparedCorpus.select` calls it; None: nothing."""

    MAY_LACK: bool
    """Whether ``silent="zero"`` also reads items without it, as zeros."""

    ENCODER: str | None
    """Name of the encoder that is used unless another is asked for; None: nothing encodes it."""

    TAKES: frozenset[str]
    """The settings of a :class:`iicl.samples.Sample` that mean something to it."""

    def extent(self, item: ManifestItem, sample: Sample, clip: Clip) -> tuple[float, float] | None:
        """Seconds of an item that has the view, and of a sample's window; None without a time."""

    def prepare(self, corpus: "PreparedCorpus", positions: Sequence[int], clip: Clip) -> Any:
        """Once for a loader: what ``read`` needs to know of the items that are read.

        Raises:
            ValueError: if the corpus does not fit the clip.
        """

    def read(self, drawn: Sequence[Drawn], reading: Reading) -> dict[str, np.ndarray]:
        """Raw arrays by name, in a worker; items along the first dimension."""

    def transform(
        self, raw: Mapping[str, "torch.Tensor"], sample: Sample, clip: Clip, device: "torch.device"
    ) -> "torch.Tensor":
        """What a method gets of B items, float32 or int64, on a device.

        Args:
            raw: what ``read`` gave of B items that have R crops, as tensors on the host.
            sample: what was asked for.
            clip: the shape of samples that have none of their own.
            device: where to compute and to leave the result.

        Returns:
            (B, ...), or (B R, ...) if the crops differ; those of an item then follow each other.
        """
