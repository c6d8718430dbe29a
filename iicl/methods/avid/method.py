"""AVID: each modality is told from noise by the other modality's bank of embeddings."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from iicl import encoders
from iicl.config import CorpusFacts
from iicl.encoders.choice import Encoders
from iicl.methods.avid.banks import draw_rows, moved, nce, scores
from iicl.methods.avid.settings import BankSettings, Settings
from iicl.methods.base import CorpusPass, Head, Method
from iicl.methods.embedding import unit
from iicl.methods.matching import match

VIEWS = ("video", "audio")
BANKS = frozenset({"video_bank", "audio_bank"})
OTHER = {"video": "audio", "audio": "video"}


class Banks(Method):
    """Encoders, heads, two banks of embeddings, and Z.

    Row i of a bank is an embedding of item i of an earlier step, of length 1. After each step the
    rows of the batch's items move towards their new embeddings. Z is the mean of e^s over the
    negatives of the first batch, from video to the bank of sounds, and stays as it is then.

    Args:
        settings: of the heads, the banks and the noise.
        sizes: of the encoders.
        facts: of the corpus, which says how many rows a bank has.
    """

    samples = ("video", "audio", "index", "draws")
    not_exported = BANKS
    video_bank: Tensor
    audio_bank: Tensor
    mean_score: Tensor

    def __init__(self, settings: BankSettings, sizes: Encoders, facts: CorpusFacts) -> None:
        super().__init__()
        self.settings = settings
        self.video_encoder = encoders.build(sizes.of("video"), facts)
        self.audio_encoder = encoders.build(sizes.of("audio"), facts)
        self.video_head = _head(sizes.of("video").feature_dim, settings.embedding_dim)
        self.audio_head = _head(sizes.of("audio").feature_dim, settings.embedding_dim)
        for view in VIEWS:
            rows = torch.randn(facts.num_items, settings.embedding_dim)
            self.register_buffer(f"{view}_bank", unit(rows))
        self.register_buffer("mean_score", torch.tensor(0.0))  # 0: not known yet

    def before_epoch(self, epoch: int, corpus_pass: CorpusPass) -> tuple[str, ...]:
        """Fill the banks before the first epoch, if the settings ask for it."""
        if epoch == 0 and self.settings.start == "filled":
            embeddings = corpus_pass(VIEWS)
            for view in VIEWS:
                self.get_buffer(f"{view}_bank").copy_(embeddings[view])
        return ()

    def encode(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Embeddings ``video`` and ``audio``, (B, D), of length 1; as they came, the rest."""
        return {
            "video": self._embed("video", self.video_encoder(batch["video"])),
            "audio": self._embed("audio", self.audio_encoder(batch["audio"])),
            "index": batch["index"],
            "draws": batch["draws"],
        }

    def after_step(self, step: int, features: Mapping[str, Tensor]) -> None:
        """Keep Z of the first batch, then move the rows of the batch's items."""
        if step == 0:
            of_video = self.scores("video", "audio", features, self.negatives(features))
            self.mean_score.copy_(self._known_or(of_video))
        index, momentum = features["index"], self.settings.bank_momentum
        for view in VIEWS:
            bank = self.get_buffer(f"{view}_bank")
            bank[index] = moved(bank, index, features[view].to(bank.dtype), momentum)

    def answers(self, features: Mapping[str, Tensor]) -> tuple[Tensor, float]:
        """Which sound of the batch belongs to a video, and which video to a sound."""
        return match(features["video"], features["audio"])

    def heads(self) -> dict[str, Head]:
        """``z``: the embeddings that the loss sees."""
        return {"z": self._embed}

    def negatives(self, features: Mapping[str, Tensor]) -> Tensor:
        """Rows of the negatives of each item, (B, K); by default any row but the own one."""
        own = features["index"][:, None]
        return draw_rows(features["draws"], self.settings.negatives, len(self.video_bank), own)

    def across(
        self, features: Mapping[str, Tensor], negatives: Tensor
    ) -> tuple[dict[str, Tensor], Tensor]:
        """The loss of each modality against the other one's bank, equal negatives; and Z."""
        own = features["index"][:, None]
        negative = {view: self.scores(view, OTHER[view], features, negatives) for view in VIEWS}
        mean_score = self._known_or(negative["video"].detach())
        terms = {
            f"across_{view}": nce(
                self.scores(view, OTHER[view], features, own), negative[view], mean_score
            )
            for view in VIEWS
        }
        return terms, mean_score

    def scores(self, view: str, bank: str, features: Mapping[str, Tensor], rows: Tensor) -> Tensor:
        """(B, K) scores over the temperature of a view's embeddings with rows of a view's bank."""
        embeddings = features[view]
        of_bank = self.get_buffer(f"{bank}_bank").to(embeddings.dtype)
        return scores(embeddings, of_bank, rows, self.settings.temperature)

    def _known_or(self, of_first_batch: Tensor) -> Tensor:
        """Z as it is kept; in the first step, that of its batch."""
        return torch.where(self.mean_score > 0, self.mean_score, of_first_batch.exp().mean())

    def _embed(self, view: str, features: Tensor) -> Tensor:
        heads = {"video": self.video_head, "audio": self.audio_head}
        return unit(heads[view](features))


class AVID(Banks):
    """Half the sum of both modalities' noise-contrastive losses (see :func:`banks.nce`).

    The positive is the other modality's embedding of the same item, of an earlier step: the loss is
    no comparison within the batch, and its value for an item does not depend on the others. With
    random rows it starts at about log K + 1.8.

    It is no measure of what is learned: embeddings drift, so that rows of different age can be told
    apart, and it falls with shuffled pairs, too.
    """

    def loss(self, features: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Half of L(v) + L(a)."""
        terms, _ = self.across(features, self.negatives(features))
        return sum(terms.values(), torch.zeros(())) / 2, terms


def _head(dim: int, embedding_dim: int) -> nn.Sequential:
    """Three fully connected layers, (B, dim) -> (B, embedding_dim)."""
    return nn.Sequential(
        nn.Linear(dim, dim),
        nn.ReLU(inplace=True),
        nn.Linear(dim, dim),
        nn.ReLU(inplace=True),
        nn.Linear(dim, embedding_dim),
    )


def build(settings: Settings, phase: str, sizes: Encoders, facts: CorpusFacts) -> AVID:
    """See :func:`iicl.methods.build`; labels are not read."""
    return AVID(settings, sizes, facts)
