"""XDC: each encoder classifies items into clusters of the other view's features."""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from iicl import encoders
from iicl.config import CorpusFacts
from iicl.encoders.choice import Encoders
from iicl.methods.base import CorpusPass, Method
from iicl.methods.xdc.rounds import make_round, prepared
from iicl.methods.xdc.settings import VIEWS, Settings, View

START_STD = 0.01  # of a classifier's weights: facebookresearch/deepcluster


class XDC(Method):
    """Cross-entropy with the clusters of the last round, summed over the classifiers.

    The numbers of clusters mean nothing from one round to the next, so that the classifiers and
    their optimiser state start anew with each, with small weights: the cross-entropy then starts at
    about log k.

    The parts of the loss tell about the clusters, too, and are no terms of the sum: the number of
    rounds, and for each source the largest cluster's share and the normalised mutual information
    with the round before (0 in the first).

    Args:
        settings: what is clustered, and into how many clusters.
        sizes: of the encoders.
        facts: of the corpus.

    Raises:
        ValueError: if there are fewer items than clusters.
    """

    samples = ("video", "audio", "index")
    round: Tensor

    def __init__(self, settings: Settings, sizes: Encoders, facts: CorpusFacts) -> None:
        super().__init__()
        if 0 < facts.num_items < settings.clusters:
            raise ValueError(
                f"{settings.clusters} clusters need as many items, the corpus {facts.corpus} has"
                f" {facts.num_items}"
            )
        self.settings = settings
        self.video_encoder = encoders.build(sizes.of("video"), facts)
        self.audio_encoder = encoders.build(sizes.of("audio"), facts)
        dims: dict[str, int] = {view: sizes.of(view).feature_dim for view in VIEWS}
        self.classifiers = nn.ModuleDict(
            {
                f"{view}_{source}": _start(nn.Linear(dims[view], settings.clusters))
                for view in VIEWS
                for source in settings.targets(view)
            }
        )
        dims["both"] = sum(dims.values())
        self.not_exported = frozenset(f"labels_{source}" for source in settings.sources())
        for source in settings.sources():
            labels = torch.zeros(facts.num_items, dtype=torch.int64)
            self.register_buffer(f"labels_{source}", labels)
            self.register_buffer(f"mean_{source}", torch.zeros(dims[source]))
            self.register_buffer(f"centres_{source}", torch.zeros(settings.clusters, dims[source]))
            self.register_buffer(f"largest_{source}", torch.tensor(0.0))
            self.register_buffer(f"agreement_{source}", torch.tensor(0.0))
        self.register_buffer("round", torch.tensor(0))

    def before_epoch(self, epoch: int, corpus_pass: CorpusPass) -> list[str]:
        """At the begin of a round, cluster all items and let the classifiers start anew."""
        if epoch % self.settings.epochs_per_round:
            return []
        features = corpus_pass(VIEWS)
        for source in self.settings.sources():
            before = self.get_buffer(f"labels_{source}")
            found = make_round(_of_source(features, source), before, self.settings.clusters)
            for name, value in found._asdict().items():
                self.get_buffer(f"{name}_{source}").copy_(value)
        self.round += 1
        for classifier in self.classifiers.values():
            _start(classifier)
        return [f"classifiers.{name}" for name, _ in self.classifiers.named_parameters()]

    def encode(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """f_v and f_a as ``video`` and ``audio``, (B, D); as it came, ``index`` (B,)."""
        return {
            "video": self.video_encoder(batch["video"]),
            "audio": self.audio_encoder(batch["audio"]),
            "index": batch["index"],
        }

    def loss(self, features: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """The sum of all classifiers' cross-entropies."""
        terms = {
            f"cross_entropy_{view}_{source}": F.cross_entropy(
                self._logits(view, source, features),
                self.get_buffer(f"labels_{source}")[features["index"]],
            )
            for view in VIEWS
            for source in self.settings.targets(view)
        }
        facts = {
            f"{name}_{source}": self.get_buffer(f"{name}_{source}").clone()
            for name in ("largest", "agreement")
            for source in self.settings.sources()
        }
        total = torch.stack(list(terms.values())).sum()
        return total, {**terms, **facts, "round": self.round.to(total.dtype)}

    def answers(self, features: Mapping[str, Tensor]) -> tuple[Tensor, float]:
        """Whether each classifier names the cluster whose centre is nearest.

        Guessing always names the largest cluster of the last round.
        """
        hits, chances = [], []
        for view in VIEWS:
            for source in self.settings.targets(view):
                mean, centres = (self.get_buffer(f"{n}_{source}") for n in ("mean", "centres"))
                rows = prepared(_of_source(features, source), mean)
                nearest = torch.cdist(rows, centres.double()).argmin(1)
                hits.append(self._logits(view, source, features).argmax(1) == nearest)
                chances.append(float(self.get_buffer(f"largest_{source}")))
        guess = max(sum(chances) / len(chances), 1 / self.settings.clusters)
        return torch.cat(hits), guess

    def _logits(self, view: View, source: str, features: Mapping[str, Tensor]) -> Tensor:
        logits: Tensor = self.classifiers[f"{view}_{source}"](features[view])
        return logits


def _of_source(features: Mapping[str, Tensor], source: str) -> list[Tensor]:
    """Features of one view, or those of both."""
    return [features[view] for view in (VIEWS if source == "both" else (source,))]


def _start(classifier: nn.Module) -> nn.Module:
    """The classifier with fresh weights, which tell no cluster from another."""
    assert isinstance(classifier, nn.Linear)
    nn.init.normal_(classifier.weight, std=START_STD)
    nn.init.zeros_(classifier.bias)
    return classifier


def build(settings: Settings, phase: str, sizes: Encoders, facts: CorpusFacts) -> XDC:
    """See :func:`iicl.methods.build`; labels of classes are not read."""
    return XDC(settings, sizes, facts)
