"""Settings of AVID. Imports no torch.

Values are those of the official code, facebookresearch/AVID-CMA at 4538e40.
"""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from iicl.config import Count, Positive
from iicl.methods.settings import Encoded, Extra, MethodSettings
from iicl.samples import AUDIO, DRAWS, INDEX, VIDEO, Sample

DEPARTURES = (
    "The negatives of an item depend on the seed, the epoch and the item alone, and on no other"
    " item of its batch.",
    "Where `start` is filled, one pass over the items fills the banks before the first step; the"
    " official banks start as random directions.",
    "The mean score that becomes Z is taken over the first batch of all ranks together.",
)


class BankSettings(MethodSettings):
    """Two banks of embeddings, one row for each item, and the noise that they are told from."""

    embedding_dim: Count = 128
    temperature: Positive = 0.07
    negatives: Count = 1024
    bank_momentum: Annotated[float, Field(ge=0, lt=1)] = 0.5
    start: Literal["filled", "random"] = "random"  # [53]

    def samples(self, phase: str) -> tuple[Sample, ...]:
        """Both modalities, which item they are of, and numbers that choose its negatives."""
        return (VIDEO, AUDIO, INDEX, DRAWS)

    def extra(self, phase: str, encoded: Sequence[Encoded]) -> Extra:
        """A head of three layers for each modality, two banks and Z; a pass if they are filled."""
        dims = [e.encoder.feature_dim for e in encoded]
        heads = sum(2 * (d + 1) * d + (d + 1) * self.embedding_dim for d in dims)
        return Extra(
            parameters=heads,
            buffer_bytes=4,
            buffer_bytes_per_item=2 * 4 * self.embedding_dim,
            passes_at_start=int(self.start == "filled"),
        )

    def num_exchanged(self, phase: str, encoded: Sequence[Encoded]) -> int:
        """The embeddings, in place of the encoders' features."""
        return 2 * self.embedding_dim


class Settings(BankSettings):
    """A video finds the sound of its item among others, in a bank of earlier embeddings."""

    SYSTEM: ClassVar[str] = "AVID"
    REFERENCE: ClassVar[str] = (
        "Morgado et al., Audio-visual instance discrimination with cross-modal agreement, 2021;"
        " official code facebookresearch/AVID-CMA"
    )
    DEPARTURES: ClassVar[tuple[str, ...]] = DEPARTURES

    name: Literal["avid"] = "avid"
