"""Group of an item: the recording it was cut from."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from iicl.config import Clip
from iicl.data.manifest import ManifestItem
from iicl.samples import Sample

if TYPE_CHECKING:
    import numpy as np
    import torch

    from iicl.data.store import PreparedCorpus
    from iicl.data.view import Drawn, Reading

REQUIRES = None
MAY_LACK = False
ENCODER = None
INPUT = None
TAKES: frozenset[str] = frozenset()


def extent(item: ManifestItem, sample: Sample, clip: Clip) -> None:
    """None: it has no time."""


def prepare(corpus: "PreparedCorpus", positions: Sequence[int], clip: Clip) -> dict[str, int]:
    """Group -> its number among the sorted groups of the items that are read."""
    groups = {corpus.manifest.items[position].group for position in positions}
    return {group: number for number, group in enumerate(sorted(groups))}


def read(drawn: Sequence["Drawn"], reading: "Reading") -> dict[str, "np.ndarray"]:
    """Array "source", (B,) int64."""
    import numpy as np

    return {"source": np.array([reading.facts[one.item.group] for one in drawn], np.int64)}


def transform(
    raw: Mapping[str, "torch.Tensor"], sample: Sample, clip: Clip, device: "torch.device"
) -> "torch.Tensor":
    """(B,) int64."""
    return raw["source"].to(device, non_blocking=True)
