"""A method whose phase costs all that a method can cost, for tests of prices."""

from collections.abc import Sequence
from typing import Literal

from iicl.methods.settings import Encoded, Extra, MethodSettings
from iicl.samples import AUDIO, INDEX, VIDEO, Sample

FAST = Sample("video:fast", time="apart", of="video", stride=2, num_frames=16, size=64)


class Dear(MethodSettings):
    name: Literal["dear"] = "dear"

    def samples(self, phase: str) -> tuple[Sample, ...]:
        return (VIDEO, FAST, AUDIO, INDEX)

    def extra(self, phase: str, encoded: Sequence[Encoded]) -> Extra:
        return Extra(
            parameters=1000,
            parameters_per_class=10,
            buffer_bytes=64,
            buffer_bytes_per_item=8,
            frozen_bytes=4,
            encodings={"audio": 3},
            forward_only={"video": 2},
            corpus_passes=2,
        )
