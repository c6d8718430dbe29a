"""Random numbers of an item, for what a method chooses at random: an order, a place, a kind."""

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
NUM_DRAWS = 10  # numbers of a sample
STEPS = 2**24  # float32 holds these steps from 0 to 1 exactly


def extent(item: ManifestItem, sample: Sample, clip: Clip) -> None:
    """None: it has no time."""


def prepare(corpus: "PreparedCorpus", positions: Sequence[int], clip: Clip) -> None:
    """Nothing: every corpus fits."""


def read(drawn: Sequence["Drawn"], reading: "Reading") -> dict[str, "np.ndarray"]:
    """Array "draws", (B, 10) float32, evenly distributed from 0 to below 1.

    They depend on the seed, the epoch, the item, the number of the clip and the name of the sample
    alone, and on no other item of a batch or a chunk.
    """
    import numpy as np

    numbers = np.stack([one.draw.numbers for one in drawn])
    return {"draws": (np.floor(numbers * STEPS) / STEPS).astype(np.float32)}


def transform(
    raw: Mapping[str, "torch.Tensor"], sample: Sample, clip: Clip, device: "torch.device"
) -> "torch.Tensor":
    """(B, 10) float32."""
    return raw["draws"].to(device, non_blocking=True)
