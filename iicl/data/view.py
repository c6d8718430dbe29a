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
        position: position of the item in the manifest.
        item: row of the manifest at this position.
        draw: time and augmentation of the sample.
    """

    position: int
    item: ManifestItem
    draw: Draw


@dataclass(frozen=True)
class Reading:
    """What ``read`` of a view gets for all samples of one name.

    Attributes:
        corpus: where to read.
        clip: shape of the samples that have no shape of their own.
        sample: the sample asked for.
        facts: result of the view's ``prepare``.
        beat: call it after each item that takes time to read. A worker without a beat for some
            time counts as stuck.
    """

    corpus: "PreparedCorpus"
    clip: Clip
    sample: Sample
    facts: Any
    beat: Callable[[], None]


class View(Protocol):
    """A module of :mod:`iicl.views`. Importing it imports no torch."""

    REQUIRES: str | None
    """The view that an item must have, by the name that a corpus uses; None: none."""

    MAY_LACK: bool
    """Whether ``silent="zero"`` reads zeros where an item lacks the view."""

    ENCODER: str | None
    """Name of the default encoder; None: the view has no encoder."""

    INPUT: str | None
    """Kind of what an encoder gets: "frames" (B, 3, T, H, W) or "spectrogram" (B, 1, F, S) of the
    views that there are. Encoders of the same ``INPUT`` fit the view. None: it has no encoder."""

    TAKES: frozenset[str]
    """Fields of a :class:`iicl.samples.Sample` that the view uses; others are refused."""

    def extent(self, item: ManifestItem, sample: Sample, clip: Clip) -> tuple[float, float] | None:
        """Seconds of an item that has the view, and of a sample's window; None without a time."""

    def prepare(self, corpus: "PreparedCorpus", positions: Sequence[int], clip: Clip) -> Any:
        """What ``read`` needs to know about all items that are read; called once per loader.

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
            raw: arrays of ``read`` for B items with R crops, as tensors. Large ones may be on the
                device already, see :mod:`iicl.data.transfer`.
            sample: the sample asked for.
            clip: shape of the samples that have no shape of their own.
            device: where to compute and to leave the result.

        Returns:
            (B, ...), or (B R, ...) if the crops differ; those of an item then follow each other.
        """
