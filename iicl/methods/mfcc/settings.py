"""Settings of the cepstral baseline. Imports no torch."""

from collections.abc import Iterator
from typing import ClassVar, Literal

from iicl.config import Clip, Count, PretrainLength
from iicl.encoders.choice import Encoders
from iicl.encoders.settings import Convolution, EncoderSettings
from iicl.methods.settings import UNTRAINED, MethodSettings, PhasePlan
from iicl.samples import AUDIO, Sample


class CepstrumSettings(EncoderSettings):
    """Settings of the cepstrum, which this method uses as its audio encoder."""

    INPUT: ClassVar[str] = "spectrogram"
    TITLE: ClassVar[str] = "cepstrum"
    num_coefficients: Count

    @property
    def feature_dim(self) -> int:
        """A mean and a deviation of each coefficient."""
        return 2 * self.num_coefficients

    def input_shape(self, clip: Clip) -> tuple[int, ...]:
        """(1, F, S), log-mel."""
        return (1, clip.mel_bins, clip.spectrogram_frames)

    def convolutions(self, clip: Clip) -> Iterator[Convolution]:
        """None: a cosine transform costs next to nothing."""
        return iter(())


class Settings(MethodSettings):
    """Mean and deviation over time of cepstral coefficients: an audio baseline without learning."""

    SYSTEM: ClassVar[str] = "MFCC"
    REFERENCE: ClassVar[str] = (
        "control: mean and deviation of the cepstral coefficients of the sound, untrained"
    )

    name: Literal["mfcc"] = "mfcc"
    num_coefficients: Count = 20

    def samples(self, phase: str) -> tuple[Sample, ...]:
        """Sound alone."""
        return (AUDIO,)

    def phases(self, length: PretrainLength) -> tuple[PhasePlan, ...]:
        """No epoch, and no encoder."""
        return (PhasePlan("training", 0, self, UNTRAINED),)

    def encoder(self, view: str, encoders: Encoders) -> EncoderSettings:
        """The cepstrum; the settings of encoders are not read.

        Raises:
            ValueError: if the view is not the sound.
        """
        if view != AUDIO.view:
            raise ValueError(f"mfcc has no {view} encoder; it has: {AUDIO.view}")
        return CepstrumSettings(num_coefficients=self.num_coefficients)
