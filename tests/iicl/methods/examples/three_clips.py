"""A method that needs three clips of an item: two a window apart, and one at twice the speed."""

from collections.abc import Mapping
from itertools import combinations
from typing import Literal

from torch import Tensor

from iicl import encoders
from iicl.config import CorpusFacts, Positive
from iicl.encoders.choice import Encoders
from iicl.losses import instance_loss
from iicl.methods.base import Method
from iicl.methods.settings import MethodSettings
from iicl.samples import VIDEO, Sample

SAMPLES = (VIDEO, Sample("video:1", time="apart", of="video"), Sample("video:2", stride=2))


class Settings(MethodSettings):
    """Clips of an item find each other among those of other items."""

    name: Literal["three_clips"] = "three_clips"
    temperature: Positive = 0.5

    def samples(self, phase: str) -> tuple[Sample, ...]:
        """Three clips."""
        return SAMPLES


class ThreeClips(Method):
    """The contrastive loss of each pair of clips, summed."""

    samples = tuple(sample.name for sample in SAMPLES)

    def __init__(self, settings: Settings, sizes: Encoders, facts: CorpusFacts) -> None:
        super().__init__()
        self.settings = settings
        self.video_encoder = encoders.build(sizes.of("video"), facts)

    def encode(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {name: self.video_encoder(batch[name]) for name in self.samples}

    def loss(self, features: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        parts = {}
        for names in combinations(self.samples, 2):
            terms = instance_loss(
                *(features[name] for name in names),
                names=names,
                temperature=self.settings.temperature,
            )
            parts[" and ".join(names)] = sum(terms.values())
        return sum(parts.values()), parts


def build(settings: Settings, phase: str, sizes: Encoders, facts: CorpusFacts) -> ThreeClips:
    return ThreeClips(settings, sizes, facts)
