"""GDT: what tells copies of an item apart, and what does not, by noise-contrastive estimation."""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from iicl import encoders
from iicl.config import CorpusFacts
from iicl.encoders.choice import Encoders
from iicl.methods.base import Head, Method
from iicl.methods.embedding import unit
from iicl.methods.gdt.settings import REVERSAL, SHIFT, Relation, Settings
from iicl.methods.matching import match

Pair = tuple[Tensor, Tensor]
"""Embeddings of videos and of sounds of one copy, (N, D) each, of length 1."""


class GDT(Method):
    """The losses of hypotheses 1 to 9 on embeddings of length 1.

    Every loss is a mean of terms -log [ exp(q k+ / T) / (exp(q k+ / T) + sum_k exp(q k / T)) ]. No
    key k passes a gradient on, so that a video's query trains the video encoder alone, and a
    sound's query the audio encoder alone. :func:`hypothesis_terms` says which terms a hypothesis
    has.

    Where all embeddings of N items are the same, a term is the logarithm of the number of its keys:
    log N for hypothesis 1, log 2N where copies must differ, log (2N - 1) in all others. Where
    copies do not differ and all items are told apart, the loss of hypotheses 2 and 4 is log 2.

    The heads run in ``encode``. Their batch norm normalises a chunk, which needs two items or more,
    and their dropout draws from the generator that is seeded for each chunk.

    Args:
        settings: the hypothesis, and the heads.
        sizes: of the encoders.
        facts: of the corpus.
    """

    def __init__(self, settings: Settings, sizes: Encoders, facts: CorpusFacts) -> None:
        super().__init__()
        self.settings = settings
        self.samples = tuple(sample.name for sample in settings.samples("training"))
        self.video_encoder = encoders.build(sizes.of("video"), facts)
        self.audio_encoder = encoders.build(sizes.of("audio"), facts)
        self.video_head = _head(sizes.of("video").feature_dim, settings)
        self.audio_head = _head(sizes.of("audio").feature_dim, settings)

    def encode(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Embeddings (B, D) of each copy: ``video``, ``audio``, ``video:<copy>``, ..."""
        embeddings = {}
        for copy in self.settings.copies():
            backwards = copy.endswith("reversed") and self.settings.signal == "kept"
            source = copy.removesuffix("reversed").strip("_")
            video, audio = batch[_named("video", copy)], batch[_named("audio", source)]
            if backwards:
                video, audio = video.flip(2), audio.flip(3)  # along time
            embeddings[_named("video", copy)] = self._embed("video", self.video_encoder(video))
            embeddings[_named("audio", copy)] = self._embed("audio", self.audio_encoder(audio))
        return embeddings

    def loss(self, features: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """The mean of the hypothesis' terms."""
        pairs = {
            copy: (features[_named("video", copy)], features[_named("audio", copy)])
            for copy in self.settings.copies()
        }
        terms = hypothesis_terms(self.settings.hypothesis, pairs, self.settings.temperature)
        total = torch.stack(list(terms.values())).mean()
        return total, terms

    def answers(self, features: Mapping[str, Tensor]) -> tuple[Tensor, float]:
        """Which sound of the batch belongs to a video, and which video to a sound."""
        return match(features["video"], features["audio"])

    def heads(self) -> dict[str, Head]:
        """``z``: the embeddings that the loss sees."""
        return {"z": self._embed}

    def _embed(self, view: str, features: Tensor) -> Tensor:
        head = {"video": self.video_head, "audio": self.audio_head}[view]
        return unit(head(features))


def hypothesis_terms(
    hypothesis: int, pairs: Mapping[str, Pair], temperature: float
) -> dict[str, Tensor]:
    """The terms whose mean is the loss of a hypothesis.

    1 has one term: the key of video v_i is the sound a_i, its negatives are all other sounds, and
    likewise for sounds. 2 to 5 have the loss of two copies, 6 to 9 that of each two copies which
    differ in one transformation: two for reversal and two for shift. Each transformation that must
    not be seen adds :func:`own_copy_loss` once, of the plain copy and the transformed one.

    Args:
        hypothesis: 1 to 9.
        pairs: copy -> its embeddings, in the order of :meth:`Settings.copies`.
        temperature: T.

    Returns:
        One scalar for hypotheses 1, 2 and 4, two for 3 and 5, four for 6, five for 7 and 8, six
        for 9.
    """
    copies = list(pairs.values())
    if hypothesis == 1:
        (plain,) = copies
        return {"own": _paired(plain, plain, None, False, temperature)}
    half = len(copies) // 2
    relations: dict[str, tuple[Relation, list[tuple[Pair, Pair]]]] = {}
    if hypothesis in REVERSAL:  # the second half of the copies are the first half's, reversed
        among = list(zip(copies[:half], copies[half:], strict=True))
        relations["reversed"] = (REVERSAL[hypothesis], among)
    if hypothesis in SHIFT:  # every second copy is the shifted one of the copy before
        among = list(zip(copies[::2], copies[1::2], strict=True))
        relations["shifted"] = (SHIFT[hypothesis], among)
    terms: dict[str, Tensor] = {}
    for name, (relation, two_copies) in relations.items():
        loss = variant_loss if relation == "variant" else invariant_loss
        for number, (one, other) in enumerate(two_copies):
            terms[f"{relation}_{name}_{number}"] = loss(one, other, temperature)
        if relation == "invariant":
            terms[f"own_{name}"] = own_copy_loss(*two_copies[0], temperature)
    return terms


def variant_loss(one: Pair, other: Pair, temperature: float) -> Tensor:
    """Copies must differ: a video finds the sound of its own copy, and not that of the other one.

    With embeddings v, a of one copy and v', a' of the other, the key of v_i is a_i; its negatives
    are all a_j of other items and all a'_j, the own a'_i among them. Likewise for a, v' and a'.

    Args:
        one: embeddings of a copy.
        other: embeddings of the other copy.
        temperature: T.
    """
    halves = [
        _paired(one, one, other, True, temperature),
        _paired(other, other, one, True, temperature),
    ]
    return torch.stack(halves).mean()


def invariant_loss(one: Pair, other: Pair, temperature: float) -> Tensor:
    """Copies must not differ: a video finds the sound of the other copy of its item.

    The key of v_i is a'_i, its negatives are all a'_j and a_j of other items. Likewise for a, v'
    and a'. Arguments as of :func:`variant_loss`.
    """
    halves = [
        _paired(one, other, one, False, temperature),
        _paired(other, one, other, False, temperature),
    ]
    return torch.stack(halves).mean()


def own_copy_loss(one: Pair, other: Pair, temperature: float) -> Tensor:
    """A video finds the sound of its own copy among the sounds of both copies of other items.

    Arguments as of :func:`variant_loss`.
    """
    halves = [
        _paired(one, one, other, False, temperature),
        _paired(other, other, one, False, temperature),
    ]
    return torch.stack(halves).mean()


def _paired(
    queries: Pair, keys: Pair, more: Pair | None, with_own: bool, temperature: float
) -> Tensor:
    """Mean of both directions: videos ask for sounds, and sounds for videos.

    Args:
        queries: that ask.
        keys: row i answers query i; all other rows are negatives.
        more: further negatives.
        with_own: whether row i of ``more`` is a negative of query i.
        temperature: T.
    """
    (videos, sounds), (video_keys, sound_keys) = queries, keys
    more_videos, more_sounds = more or (None, None)
    directions = [
        _nce(videos, sound_keys, more_sounds, with_own, temperature),
        _nce(sounds, video_keys, more_videos, with_own, temperature),
    ]
    return torch.stack(directions).mean()


def _nce(
    queries: Tensor, keys: Tensor, more: Tensor | None, with_own: bool, temperature: float
) -> Tensor:
    logits = queries @ keys.detach().T
    own = torch.arange(len(queries), device=queries.device)
    if more is not None:
        negatives = queries @ more.detach().T
        if not with_own:
            negatives = negatives.masked_fill(own[:, None] == own, -torch.inf)
        logits = torch.cat([logits, negatives], dim=1)
    return F.cross_entropy(logits / temperature, own)


def _head(dim: int, settings: Settings) -> nn.Sequential:
    """Two fully connected layers, (B, dim) -> (B, embedding_dim)."""
    hidden = settings.hidden
    return nn.Sequential(
        nn.Dropout(settings.dropout),
        nn.Linear(dim, hidden, bias=False),
        nn.BatchNorm1d(hidden),
        nn.ReLU(inplace=True),
        nn.Dropout(settings.dropout),
        nn.Linear(hidden, settings.embedding_dim),
    )


def _named(view: str, copy: str) -> str:
    return f"{view}:{copy}" if copy else view


def build(settings: Settings, phase: str, sizes: Encoders, facts: CorpusFacts) -> GDT:
    """See :func:`iicl.methods.build`; labels are not read."""
    return GDT(settings, sizes, facts)
