"""An audio baseline without learning: cepstral coefficients summarised over time."""

from collections.abc import Mapping
from typing import NoReturn

import torch
from torch import Tensor, nn
from torchaudio.functional import create_dct

from iicl.config import CorpusFacts
from iicl.encoders.choice import Encoders
from iicl.methods.base import Method
from iicl.methods.mfcc.settings import Settings


class Cepstrum(nn.Module):
    """Mean and standard deviation over time of the first coefficients of a log-mel's cosine series.

    It has no parameters and no buffers: the cosines follow from the number of mel bands.

    Args:
        num_coefficients: kept, from the 0th, which is the level.
    """

    def __init__(self, num_coefficients: int) -> None:
        super().__init__()
        self.num_coefficients = num_coefficients
        self.feature_dim = 2 * num_coefficients

    def forward(self, audio: Tensor) -> Tensor:
        """The feature of a clip's sound, in float32 or more.

        Args:
            audio: (B, 1, F, S), log-mel, not normalised.

        Returns:
            (B, 2 num_coefficients): means, then deviations (over S, not S - 1).

        Raises:
            ValueError: if there are fewer mel bands than coefficients.
        """
        bands = audio.shape[2]
        if bands < self.num_coefficients:
            raise ValueError(
                f"{self.num_coefficients} coefficients need as many mel bands, got {bands}"
            )
        audio = audio.squeeze(1).to(torch.promote_types(audio.dtype, torch.float32))
        cosines = create_dct(self.num_coefficients, bands, norm="ortho").to(audio)
        # A product under autocast would be rounded to bf16, so it is not left to it.
        with torch.autocast(audio.device.type, enabled=False):
            coefficients = torch.einsum("bfs,fc->bcs", audio, cosines)
        return torch.cat([coefficients.mean(2), coefficients.std(2, correction=0)], dim=1)


class MFCC(Method):
    """Mel-frequency cepstral coefficients in an encoder's place; there is no video encoder.

    Args:
        num_coefficients: see :class:`Cepstrum`.
    """

    samples = ("audio",)

    def __init__(self, num_coefficients: int) -> None:
        super().__init__()
        self.audio_encoder = Cepstrum(num_coefficients)

    def encode(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """``audio``, (B, 2 num_coefficients)."""
        return {"audio": self.audio_encoder(batch["audio"])}

    def loss(self, features: Mapping[str, Tensor]) -> NoReturn:
        """This method has no loss.

        Raises:
            RuntimeError: always.
        """
        raise RuntimeError("mfcc has no objective: it is a baseline and is never trained")


def build(settings: Settings, phase: str, sizes: Encoders, facts: CorpusFacts) -> MFCC:
    """See :func:`iicl.methods.build`; neither labels nor the encoders' sizes are read."""
    return MFCC(settings.num_coefficients)
