"""AVTS: a margin loss on the distance between a video and a sound, with a curriculum."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from iicl import encoders
from iicl.config import CorpusFacts
from iicl.encoders.choice import Encoders
from iicl.methods.avts.settings import Settings
from iicl.methods.base import Head, Method
from iicl.methods.embedding import unit
from iicl.models.heads import instance_head


class AVTS(Method):
    """L = mean [ y d^2 + (1 - y) max(0, eta - d)^2 ] over pairs of a video and a sound.

    d is the distance of two embeddings of length 1, y is 1 for a pair that belongs together. Where
    all distances are one constant, the best constant is eta / 2, with L = eta^2 / 4, 0.2450 for
    eta = 0.99: the plateau of a network that learns nothing.

    Args:
        settings: the margin, and how many negatives are hard.
        phase: "easy" or "hard".
        sizes: of the encoders.
        facts: of the corpus.
    """

    def __init__(self, settings: Settings, phase: str, sizes: Encoders, facts: CorpusFacts) -> None:
        super().__init__()
        self.settings = settings
        self.samples = tuple(sample.name for sample in settings.samples(phase))
        self.has_hard = phase == "hard"
        self.video_encoder = encoders.build(sizes.of("video"), facts)
        self.audio_encoder = encoders.build(sizes.of("audio"), facts)
        self.video_head = instance_head(sizes.of("video").feature_dim, settings.embedding_dim)
        self.audio_head = instance_head(sizes.of("audio").feature_dim, settings.embedding_dim)

    def encode(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Embeddings ``video`` and ``audio``, (B, D); with hard negatives ``audio:apart``."""
        embeddings = {"video": self._embed("video", self.video_encoder(batch["video"]))}
        if not self.has_hard:
            embeddings["audio"] = self._embed("audio", self.audio_encoder(batch["audio"]))
            return embeddings
        # Together: batch norm over the sounds of another time alone would give them away.
        sounds = self.audio_encoder(torch.cat([batch["audio"], batch["audio:apart"]]))
        embeddings["audio"], embeddings["audio:apart"] = self._embed("audio", sounds).chunk(2)
        return {**embeddings, "draws": batch["draws"]}

    def loss(self, features: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Each video with its own sound, and with a sound that is not its own."""
        video, audio = features["video"], features["audio"]
        wrong = audio.roll(1, 0)
        if self.has_hard:
            is_hard = features["draws"][:, :1] < self.settings.hard_share
            wrong = torch.where(is_hard, features["audio:apart"], wrong)
        right = torch.ones(len(video), dtype=torch.bool, device=video.device)
        terms = margin_terms(
            torch.cat([video, video]),
            torch.cat([audio, wrong]),
            torch.cat([right, ~right]),
            self.settings.margin,
        )
        positive, negative = terms.chunk(2)
        return terms.mean(), {"positive": positive.mean(), "negative": negative.mean()}

    def answers(self, features: Mapping[str, Tensor]) -> tuple[Tensor, float]:
        """Whether a video's own sound is nearer to it than that of the next item of the batch."""
        video, audio = features["video"].double(), features["audio"].double()
        own, other = ((video - sound).norm(dim=1) for sound in (audio, audio.roll(1, 0)))
        return own < other, 0.5

    def heads(self) -> dict[str, Head]:
        """``z``: the embeddings that the loss sees."""
        return {"z": self._embed}

    def load_previous(self, state: Mapping[str, Tensor], *, keep_instance_head: bool) -> list[str]:
        """Go on with all weights; the two phases have the same.

        Raises:
            RuntimeError: if they do not fit.
        """
        self.load_state_dict(state)
        return list(state)

    def _embed(self, view: str, features: Tensor) -> Tensor:
        heads: dict[str, nn.Module] = {"video": self.video_head, "audio": self.audio_head}
        return unit(heads[view](features))


def margin_terms(first: Tensor, second: Tensor, belongs: Tensor, margin: float) -> Tensor:
    """The loss of each pair: y d^2 + (1 - y) max(0, eta - d)^2.

    Args:
        first: (M, D).
        second: (M, D); row i makes a pair with row i of ``first``.
        belongs: (M,) bool, y.
        margin: eta.

    Returns:
        (M,), 0 or more. A pair that does not belong together passes no gradient on where it is
        farther apart than eta.
    """
    difference = first - second
    missing = (margin - torch.linalg.vector_norm(difference, dim=1)).clamp_min(0)
    return torch.where(belongs, difference.square().sum(1), missing.square())


def build(settings: Settings, phase: str, sizes: Encoders, facts: CorpusFacts) -> AVTS:
    """See :func:`iicl.methods.build`; labels are not read."""
    return AVTS(settings, phase, sizes, facts)
