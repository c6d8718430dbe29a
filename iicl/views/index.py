"""Number of an item in the list that a run reads, 0 to N - 1; not its place in the corpus."""

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


def prepare(corpus: "PreparedCorpus", positions: Sequence[int], clip: Clip) -> dict[int, int]:
    """Position in the manifest -> number in the list."""
    return {position: number for number, position in enumerate(positions)}


def read(drawn: Sequence["Drawn"], reading: "Reading") -> dict[str, "np.ndarray"]:
    """Array "index", (B,) int64."""
    import numpy as np

    return {"index": np.array([reading.facts[one.position] for one in drawn], np.int64)}


def transform(
    raw: Mapping[str, "torch.Tensor"], sample: Sample, clip: Clip, device: "torch.device"
) -> "torch.Tensor":
    """(B,) int64."""
    return raw["index"].to(device, non_blocking=True)
