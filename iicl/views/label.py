"""Classes of an item: a distribution over those of its corpus."""

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

REQUIRES = "label"
MAY_LACK = False
ENCODER = None
INPUT = None
TAKES: frozenset[str] = frozenset()


def extent(item: ManifestItem, sample: Sample, clip: Clip) -> None:
    """None: it has no time."""


def prepare(corpus: "PreparedCorpus", positions: Sequence[int], clip: Clip) -> dict[str, int]:
    """Number of each class of the corpus."""
    return {name: number for number, name in enumerate(corpus.manifest.classes)}


def read(drawn: Sequence["Drawn"], reading: "Reading") -> dict[str, "np.ndarray"]:
    """Array "label", (B, classes) float32: rows that sum to 1, even over the classes of an item."""
    import numpy as np

    label = np.zeros((len(drawn), len(reading.facts)), np.float32)
    for row, one in zip(label, drawn, strict=True):
        for name in one.item.labels:
            row[reading.facts[name]] = 1 / len(one.item.labels)
    return {"label": label}


def transform(
    raw: Mapping[str, "torch.Tensor"], sample: Sample, clip: Clip, device: "torch.device"
) -> "torch.Tensor":
    """(B, classes) float32."""
    return raw["label"].to(device, non_blocking=True)
