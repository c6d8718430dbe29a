"""Settings of AVTS. Imports no torch.

There is no official training code. ``[M]`` marks a value that other works report of the paper.
"""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from iicl.config import Count, Fraction, Positive, PretrainLength
from iicl.methods.settings import (
    HANDED_ON,
    Encoded,
    Extra,
    MethodSettings,
    PhasePlan,
    with_defaults,
)
from iicl.samples import AUDIO, DRAWS, VIDEO, Sample


class Settings(MethodSettings):
    """Is this the sound of the video? Against other items first, then against other times, too."""

    PHASES: ClassVar[tuple[str, ...]] = ("easy", "hard")
    SYSTEM: ClassVar[str] = "AVTS"
    REFERENCE: ClassVar[str] = (
        "Korbar et al., Cooperative learning of audio and video models from self-supervised"
        " synchronization, 2018"
    )
    DEPARTURES: ClassVar[tuple[str, ...]] = (
        "There is no official training code; margin, shares and the point of the switch are those"
        " that other works report.",
        "Embeddings are normalised to length 1, which the source leaves open.",
        "The sizes of the two fully connected layers could not be read; they are the encoder's"
        " width and 128.",
        "The state of the optimiser starts anew where the curriculum switches, unless"
        " `keep_optimiser` is set.",
        "Each item gives one positive and one negative pair in each step; the easy negative is the"
        " sound of the next item of the batch.",
        "The curriculum switches after half of the epochs, where the source switches after 50.",
    )

    name: Literal["avts"] = "avts"
    margin: Positive = 0.99  # eta [M] [50]
    embedding_dim: Count = 128  # two fully connected layers; sizes unknown
    hard_share: Annotated[float, Field(gt=0, le=1)] = 0.25  # of the later negatives [M] [50]
    easy_part: Fraction = 0.5  # of the epochs; 50 of some 90 to 140 [M] [50]

    def samples(self, phase: str) -> tuple[Sample, ...]:
        """Both modalities; for hard negatives a sound of another time, and who takes it."""
        if phase == "easy":
            return (VIDEO, AUDIO)
        return (VIDEO, AUDIO, Sample("audio:apart", time="apart", of="audio"), DRAWS)

    def phases(self, length: PretrainLength) -> tuple[PhasePlan, ...]:
        """Easy negatives alone, then hard ones among them."""
        epochs = length.initialisation + length.co_training
        easy = round(epochs * self.easy_part)
        without_hard = with_defaults(self, {"hard_share", "easy_part"})
        return (
            PhasePlan("easy", easy, without_hard, HANDED_ON),
            PhasePlan(
                "hard", epochs - easy, with_defaults(self, {"easy_part"}), {"keep_instance_head"}
            ),
        )

    def extra(self, phase: str, encoded: Sequence[Encoded]) -> Extra:
        """A head of two fully connected layers for each modality."""
        dims = {e.sample.view: e.encoder.feature_dim for e in encoded}
        heads = sum((d + 1) * d + (d + 1) * self.embedding_dim for d in dims.values())
        return Extra(parameters=heads)

    def num_exchanged(self, phase: str, encoded: Sequence[Encoded]) -> int:
        """The embeddings, in place of the encoders' features."""
        return len(encoded) * self.embedding_dim
