"""Settings of the untrained control. Imports no torch."""

from typing import ClassVar, Literal

from iicl.config import PretrainLength
from iicl.methods.settings import UNTRAINED, MethodSettings, PhasePlan
from iicl.samples import AUDIO, VIDEO, Sample


class Settings(MethodSettings):
    """Untrained encoders: the lower control."""

    SYSTEM: ClassVar[str] = "random init"
    REFERENCE: ClassVar[str] = "control: the encoders as they are before training"

    name: Literal["random_init"] = "random_init"

    def samples(self, phase: str) -> tuple[Sample, ...]:
        """Both modalities."""
        return (VIDEO, AUDIO)

    def phases(self, length: PretrainLength) -> tuple[PhasePlan, ...]:
        """No epoch; only the encoders' sizes change what comes out."""
        return (PhasePlan("training", 0, self, UNTRAINED - {"encoders"}),)
