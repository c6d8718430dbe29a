"""The upper control: the encoders trained on the corpus's own labels."""

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor, nn

from iicl import encoders
from iicl.config import CorpusFacts
from iicl.encoders.choice import Encoders
from iicl.methods.base import Method
from iicl.methods.supervised.settings import Settings


class Supervised(Method):
    """Cross-entropy of one linear classifier on the pooled feature of each modality.

    The classifier is shared, so that both encoders are drawn into one space.

    Args:
        settings: which modalities are trained.
        sizes: of the encoders.
        facts: of the corpus, whose classes are learned.

    Raises:
        ValueError: if the encoders' dimensions differ, or there are fewer than 2 classes.
    """

    def __init__(self, settings: Settings, sizes: Encoders, facts: CorpusFacts) -> None:
        super().__init__()
        num_classes = len(facts.classes)
        if num_classes < 2:
            raise ValueError(f"the supervised method needs 2 classes or more, got {num_classes}")
        self.samples = tuple(sample.name for sample in settings.samples("training"))
        self.video_encoder = encoders.build(sizes.of("video"), facts)
        dim = sizes.of("video").feature_dim
        if "audio" in self.samples:
            audio_dim = sizes.of("audio").feature_dim
            if audio_dim != dim:
                raise ValueError(
                    f"a shared classifier needs features of one dimension, "
                    f"got {dim} (video) and {audio_dim} (audio)"
                )
            self.audio_encoder = encoders.build(sizes.of("audio"), facts)
        self.classifier = nn.Linear(dim, num_classes)

    def encode(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """``video`` and, where trained, ``audio``, (B, D); as it came, ``label`` (B, K)."""
        features = {"video": self.video_encoder(batch["video"]), "label": batch["label"]}
        if "audio" in self.samples:
            features["audio"] = self.audio_encoder(batch["audio"])
        return features

    def loss(self, features: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """The modalities' cross-entropies, summed.

        Each is the mean over items of -sum_k label_k log p_k; each row of labels sums to 1.
        """
        parts = {
            f"cross_entropy_{view}": F.cross_entropy(
                self.classifier(features[view]), features["label"]
            )
            for view in self.samples
            if view != "label"
        }
        total = sum(parts.values())
        assert isinstance(total, Tensor)
        return total, parts

    def answers(self, features: Mapping[str, Tensor]) -> tuple[Tensor, float]:
        """Whether the likeliest class by the mean of the views' logits is one of the item's."""
        views = [view for view in self.samples if view != "label"]
        logits = sum(self.classifier(features[view]) for view in views)
        assert isinstance(logits, Tensor)
        label = features["label"]
        own = label.gather(1, logits.argmax(1, keepdim=True))[:, 0]
        return own == label.amax(1), 1 / label.shape[1]


def build(settings: Settings, phase: str, sizes: Encoders, facts: CorpusFacts) -> Supervised:
    """See :func:`iicl.methods.build`."""
    return Supervised(settings, sizes, facts)
