"""A method that learns labels of its own making: clusters of its features, anew in each epoch."""

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from iicl import encoders
from iicl.config import CorpusFacts, Count
from iicl.encoders.choice import Encoders
from iicl.methods.base import CorpusPass, Method
from iicl.methods.settings import Encoded, Extra, MethodSettings
from iicl.samples import INDEX, VIDEO, Sample

NUM_ROUNDS = 5  # of k-means


class Settings(MethodSettings):
    """Cross-entropy with the clusters that k-means finds before the epoch."""

    name: Literal["reclustering"] = "reclustering"
    clusters: Count = 4

    def samples(self, phase: str) -> tuple[Sample, ...]:
        """A video, and which item it is of."""
        return (VIDEO, INDEX)

    def extra(self, phase: str, encoded: Sequence[Encoded]) -> Extra:
        """The classifier, an int64 label of each item, and a pass over all items."""
        return Extra(
            parameters=(encoded[0].encoder.feature_dim + 1) * self.clusters,
            buffer_bytes_per_item=8,
            corpus_passes=1,
        )


class Reclustering(Method):
    """The classifier starts anew with the clusters, as their numbers mean nothing."""

    samples = ("video", "index")
    not_exported = frozenset({"labels"})

    def __init__(self, settings: Settings, sizes: Encoders, facts: CorpusFacts) -> None:
        super().__init__()
        self.settings = settings
        self.video_encoder = encoders.build(sizes.of("video"), facts)
        self.classifier = nn.Linear(sizes.of("video").feature_dim, settings.clusters)
        self.register_buffer("labels", torch.zeros(facts.num_items, dtype=torch.int64))

    def before_epoch(self, epoch: int, corpus_pass: CorpusPass) -> list[str]:
        features = corpus_pass(["video"])["video"]
        self.labels.copy_(k_means(features, self.settings.clusters))
        self.classifier.reset_parameters()
        return [f"classifier.{name}" for name, _ in self.classifier.named_parameters()]

    def encode(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {"video": self.video_encoder(batch["video"]), "index": batch["index"]}

    def loss(self, features: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        logits = self.classifier(features["video"])
        total = F.cross_entropy(logits, self.labels[features["index"]])
        return total, {"cross_entropy": total}


def k_means(features: Tensor, clusters: int) -> Tensor:
    """(N, D) -> (N,) the nearest of the centres, which start at random items."""
    centres = features[torch.randperm(len(features))[:clusters]]
    for _ in range(NUM_ROUNDS):
        nearest = torch.cdist(features, centres).argmin(1)
        members = F.one_hot(nearest, clusters).to(features)
        counts = members.sum(0)[:, None]
        centres = torch.where(counts > 0, members.T @ features / counts.clamp_min(1), centres)
    return torch.cdist(features, centres).argmin(1)


def build(settings: Settings, phase: str, sizes: Encoders, facts: CorpusFacts) -> Reclustering:
    return Reclustering(settings, sizes, facts)
