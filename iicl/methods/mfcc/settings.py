"""Settings of the cepstral baseline. Imports no torch."""

from typing import Literal

from iicl.config import Count, PretrainLength
from iicl.methods.settings import UNTRAINED, MethodSettings, PhasePlan
from iicl.samples import AUDIO, Sample


class Settings(MethodSettings):
    """Mean and deviation over time of cepstral coefficients: an audio baseline without learning."""

    name: Literal["mfcc"] = "mfcc"
    num_coefficients: Count = 20

    def samples(self, phase: str) -> tuple[Sample, ...]:
        """Sound alone."""
        return (AUDIO,)

    def phases(self, length: PretrainLength) -> tuple[PhasePlan, ...]:
        """No epoch, and no encoder."""
        return (PhasePlan("training", 0, self, UNTRAINED),)
