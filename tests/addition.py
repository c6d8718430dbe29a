"""A view, an encoder, a method and a table of one's own, as files."""

VIEW = {
    "iicl/views/halves.py": '''"""Frames of an item at half their rate."""

from iicl.views.video import (  # noqa: F401
    INPUT,
    MAY_LACK,
    REQUIRES,
    TAKES,
    extent,
    prepare,
    read,
    transform,
)

ENCODER = "mean"
'''
}
ENCODER = {
    "iicl/encoders/mean/__init__.py": '"""One linear map of the mean over time and space."""\n',
    "iicl/encoders/mean/settings.py": '''"""Sizes of the map. Imports no torch."""

from collections.abc import Iterator
from typing import ClassVar

from iicl.config import Clip, Count
from iicl.encoders.settings import Convolution, EncoderSettings


class Settings(EncoderSettings):
    """Outputs of the map."""

    NAME: ClassVar[str] = "mean"
    TITLE: ClassVar[str] = "mean"
    INPUT: ClassVar[str] = "frames"
    outputs: Count = 12

    @property
    def feature_dim(self) -> int:
        return self.outputs

    def input_shape(self, clip: Clip) -> tuple[int, ...]:
        return (3, clip.num_frames, clip.size, clip.size)

    def convolutions(self, clip: Clip) -> Iterator[Convolution]:
        yield Convolution(3 * self.outputs, self.outputs, 1)
''',
    "iicl/encoders/mean/network.py": '''"""The map as a network."""

from torch import Tensor, nn

from iicl.config import CorpusFacts
from iicl.encoders.mean.settings import Settings


class Mean(nn.Module):
    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.feature_dim = outputs
        self.map = nn.Linear(3, outputs, bias=False)
        self.norm = nn.BatchNorm1d(outputs)

    def tokens(self, x: Tensor) -> Tensor:
        return self.norm(self.map(x.mean((2, 3, 4))))[:, None]

    def forward(self, x: Tensor) -> Tensor:
        return self.tokens(x).mean(1)


def build(settings: Settings, facts: CorpusFacts) -> Mean:
    return Mean(settings.outputs)
''',
}
METHOD = {
    "iicl/methods/pull/__init__.py": '"""Two views of an item, pulled together."""\n',
    "iicl/methods/pull/settings.py": '''"""Settings of the pull. Imports no torch."""

from typing import ClassVar, Literal

from iicl.config import Positive
from iicl.methods.settings import MethodSettings
from iicl.samples import VIDEO, Sample


class Settings(MethodSettings):
    """How hard it pulls."""

    SYSTEM: ClassVar[str] = "Pull"
    REFERENCE: ClassVar[str] = "an example"

    name: Literal["pull"] = "pull"
    strength: Positive = 3.0

    def samples(self, phase: str) -> tuple[Sample, ...]:
        return (VIDEO, Sample("halves", time="with", of="video", stride=2))
''',
    "iicl/methods/pull/method.py": '''"""The pull."""

from collections.abc import Mapping

from torch import Tensor

from iicl import encoders
from iicl.config import CorpusFacts
from iicl.encoders.choice import Encoders
from iicl.methods.base import Method
from iicl.methods.pull.settings import Settings


class Pull(Method):
    samples = ("video", "halves")

    def __init__(self, settings: Settings, sizes: Encoders, facts: CorpusFacts) -> None:
        super().__init__()
        self.strength = settings.strength
        self.video_encoder = encoders.build(sizes.of("video"), facts)
        self.halves_encoder = encoders.build(sizes.of("halves"), facts)

    def encode(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {
            "video": self.video_encoder(batch["video"]),
            "halves": self.halves_encoder(batch["halves"]),
        }

    def loss(self, features: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        distance = (features["video"].mean(1) - features["halves"].mean(1)).square().mean()
        return self.strength * distance, {"distance": distance}


def build(settings: Settings, phase: str, sizes: Encoders, facts: CorpusFacts) -> Pull:
    return Pull(settings, sizes, facts)
''',
}
TABLE = """\
table: pull
label: Pull
title: A table of the added method
paper: {section: none}
defaults:
  seeds: [0]
  pretrain: {method: pull, corpus: ucf101, encoders: {video: mean, halves_outputs: 12}}
protocols:
  nearest: {stage: retrieval, corpus: ucf101, fold: 1}
  halves: {stage: linear, corpus: ucf101, fold: 1, settings: {view: halves}}
columns:
  r1: {label: R@1, protocol: nearest, metric: recall_at_1}
  fc: {label: FC, protocol: halves, metric: top1}
rows:
  weak: {label: weak, pretrain: {strength: 1.0}}
  strong: {label: strong}
"""
