"""Settings of the supervised control. Imports no torch."""

from collections.abc import Sequence
from typing import ClassVar, Literal

from iicl.config import PretrainLength
from iicl.encoders.choice import Encoders
from iicl.methods.settings import (
    Encoded,
    Extra,
    MethodSettings,
    PhasePlan,
    check_one_dimension,
)
from iicl.samples import AUDIO, LABEL, VIDEO, Sample


class Settings(MethodSettings):
    """Cross-entropy on the corpus's own labels, one classifier for all views: the upper control."""

    SYSTEM: ClassVar[str] = "supervised"
    REFERENCE: ClassVar[str] = (
        "control: the encoders trained with the labels of the pretraining corpus"
    )

    name: Literal["supervised"] = "supervised"
    modalities: Literal["both", "video"] = "both"

    def samples(self, phase: str) -> tuple[Sample, ...]:
        """The trained modalities, and the labels."""
        return (VIDEO, LABEL) if self.modalities == "video" else (VIDEO, AUDIO, LABEL)

    def check_encoders(self, phase: str, encoders: Encoders) -> None:
        """One classifier needs features of one dimension."""
        if self.modalities == "both":
            check_one_dimension({view: encoders.of(view) for view in ("video", "audio")})

    def phases(self, length: PretrainLength) -> tuple[PhasePlan, ...]:
        """One phase; if only video is trained, silent items and pairing have no effect."""
        (plan,) = super().phases(length)
        if self.modalities == "video":
            plan = plan._replace(idle={*plan.idle, "silent_items", "pairing"})
        return (plan,)

    def extra(self, phase: str, encoded: Sequence[Encoded]) -> Extra:
        """The classifier: for each class a weight for each feature, and a bias."""
        return Extra(parameters_per_class=encoded[0].encoder.feature_dim + 1)
