"""A method with a memory: each item is told from all others by what it was like before."""

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from iicl import encoders
from iicl.config import CorpusFacts, Fraction, Positive
from iicl.encoders.choice import Encoders
from iicl.methods.base import Method
from iicl.methods.settings import Encoded, Extra, MethodSettings
from iicl.samples import INDEX, VIDEO, Sample


class Settings(MethodSettings):
    """Instance discrimination against a bank of all items."""

    name: Literal["memory_bank"] = "memory_bank"
    temperature: Positive = 0.2
    momentum: Fraction = 0.5  # of an entry of the bank

    def samples(self, phase: str) -> tuple[Sample, ...]:
        """A video, and which item it is of."""
        return (VIDEO, INDEX)

    def extra(self, phase: str, encoded: Sequence[Encoded]) -> Extra:
        """The bank: a float32 feature of each item."""
        return Extra(buffer_bytes_per_item=4 * encoded[0].encoder.feature_dim)


class MemoryBank(Method):
    """-log softmax(z_i . bank / temperature)_i; after a step, bank_i moves towards z_i."""

    samples = ("video", "index")
    not_exported = frozenset({"bank"})

    def __init__(self, settings: Settings, sizes: Encoders, facts: CorpusFacts) -> None:
        super().__init__()
        self.settings = settings
        self.video_encoder = encoders.build(sizes.of("video"), facts)
        shape = (facts.num_items, sizes.of("video").feature_dim)
        self.register_buffer("bank", F.normalize(torch.randn(shape), dim=1))

    def encode(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {"video": self.video_encoder(batch["video"]), "index": batch["index"]}

    def loss(self, features: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        cosines = F.normalize(features["video"], dim=1) @ self.bank.T
        total = F.cross_entropy(cosines / self.settings.temperature, features["index"])
        return total, {"discrimination": total}

    def after_step(self, step: int, features: Mapping[str, Tensor]) -> None:
        index, new = features["index"], F.normalize(features["video"], dim=1)
        old = self.bank[index]
        self.bank[index] = F.normalize(old.lerp(new, 1 - self.settings.momentum), dim=1)


def build(settings: Settings, phase: str, sizes: Encoders, facts: CorpusFacts) -> MemoryBank:
    return MemoryBank(settings, sizes, facts)
