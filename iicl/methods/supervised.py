"""The upper control: the encoders trained on the corpus's own labels."""

from collections.abc import Mapping
from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn

from iicl import config
from iicl.methods.base import Method, make_audio_encoder, make_video_encoder


class Supervised(Method):
    """Cross-entropy of one linear classifier on the pooled feature of each modality.

    The classifier is shared, so that both encoders are drawn into one space.

    Args:
        encoders: sizes of the encoders.
        num_classes: K, 2 or more.
        modalities: "both", or "video" for the video encoder alone.

    Raises:
        ValueError: if the encoders' dimensions differ.
    """

    def __init__(
        self, encoders: config.Encoders, num_classes: int, modalities: Literal["both", "video"]
    ) -> None:
        super().__init__()
        self.video_encoder = make_video_encoder(encoders)
        dim = self.video_encoder.feature_dim
        self.views: tuple[str, ...] = ("video", "label")
        if modalities == "both":
            self.views = ("video", "audio", "label")
            self.audio_encoder = make_audio_encoder(encoders)
            if self.audio_encoder.feature_dim != dim:
                raise ValueError(
                    f"a shared classifier needs features of one dimension, "
                    f"got {dim} (video) and {self.audio_encoder.feature_dim} (audio)"
                )
        self.classifier = nn.Linear(dim, num_classes)

    def encode(self, views: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """``video`` and, where trained, ``audio``, (B, D); as it came, ``label`` (B, K)."""
        features = {"video": self.video_encoder(views["video"]), "label": views["label"]}
        if "audio" in self.views:
            features["audio"] = self.audio_encoder(views["audio"])
        return features

    def loss(self, features: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """The modalities' cross-entropies, summed.

        Each is the mean over items of -sum_k label_k log p_k; each row of labels sums to 1.
        """
        parts = {
            f"cross_entropy_{view}": F.cross_entropy(
                self.classifier(features[view]), features["label"]
            )
            for view in self.views
            if view != "label"
        }
        total = sum(parts.values())
        assert isinstance(total, Tensor)
        return total, parts


def build(
    settings: config.Supervised,
    phase: config.Phase,
    encoders: config.Encoders,
    num_classes: int | None,
) -> Supervised:
    """See :func:`iicl.methods.build`."""
    if num_classes is None or num_classes < 2:
        raise ValueError(f"the supervised method needs 2 classes or more, got {num_classes}")
    return Supervised(encoders, num_classes, settings.modalities)
