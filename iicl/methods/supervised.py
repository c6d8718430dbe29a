"""The upper control: the video encoder trained on the corpus's own labels."""

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor, nn

from iicl import config
from iicl.methods.base import Method, make_video_encoder


class Supervised(Method):
    """Cross-entropy of a linear classifier on the pooled video feature.

    Args:
        encoders: sizes of the encoders.
        num_classes: K, 2 or more.
    """

    views = ("video", "label")

    def __init__(self, encoders: config.Encoders, num_classes: int) -> None:
        super().__init__()
        self.video_encoder = make_video_encoder(encoders)
        self.classifier = nn.Linear(self.video_encoder.feature_dim, num_classes)

    def encode(self, views: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """``video`` (B, D) and, as it came, ``label`` (B, K)."""
        return {"video": self.video_encoder(views["video"]), "label": views["label"]}

    def loss(self, features: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Mean over items of -sum_k label_k log p_k; each row of labels sums to 1."""
        loss = F.cross_entropy(self.classifier(features["video"]), features["label"])
        return loss, {"cross_entropy": loss}


def build(
    settings: config.Supervised,
    phase: config.Phase,
    encoders: config.Encoders,
    num_classes: int | None,
) -> Supervised:
    """See :func:`iicl.methods.build`."""
    if num_classes is None or num_classes < 2:
        raise ValueError(f"the supervised method needs 2 classes or more, got {num_classes}")
    return Supervised(encoders, num_classes)
