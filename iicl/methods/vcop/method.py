"""VCOP: in which order are three clips of a video shown?"""

from collections.abc import Mapping
from itertools import combinations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from iicl import encoders
from iicl.config import CorpusFacts
from iicl.encoders.choice import Encoders
from iicl.methods.base import Method
from iicl.methods.puzzles import choose, cut, rank
from iicl.methods.vcop.settings import NUM_CLIPS, NUM_ORDERS, NUM_PAIRS, Settings


class VCOP(Method):
    """Cross-entropy over the six orders of three clips.

    One encoder gives the feature h_k of the clip that is shown at place k. The logits are

        W2 dropout([r_12, r_13, r_23]) + b2,    r_kl = ReLU(W1 [h_k, h_l] + b1)

    and the class is the rank of the shown tuple: (0, 1, 2) is 0, (2, 1, 0) is 5. A network that has
    learnt nothing has the loss log 6 = 1.7917595.

    Args:
        settings: sizes of the clips and of the head.
        sizes: of the encoders.
        facts: of the corpus.
    """

    def __init__(self, settings: Settings, sizes: Encoders, facts: CorpusFacts) -> None:
        super().__init__()
        self.settings = settings
        self.samples = tuple(sample.name for sample in settings.samples("training"))
        self.video_encoder = encoders.build(sizes.of("video"), facts)
        dim = sizes.of("video").feature_dim
        self.pair = nn.Sequential(nn.Linear(2 * dim, settings.hidden), nn.ReLU())
        self.dropout = nn.Dropout(settings.dropout)
        self.classifier = nn.Linear(NUM_PAIRS * settings.hidden, NUM_ORDERS)

    def encode(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """``clips`` (B, 3, D) in the order in which they are shown; ``draws`` (B, 10) as it came.

        All clips go through one call of the encoder. Otherwise the statistics of batch norm would
        differ with the place at which a clip is shown.
        """
        clips = self.shown_clips(batch)
        features = self.video_encoder(clips.flatten(0, 1))
        return {"clips": features.unflatten(0, clips.shape[:2]), "draws": batch["draws"]}

    def loss(self, features: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """The mean cross-entropy of the orders."""
        orders = rank(shown_orders(features["draws"]))
        cross_entropy = F.cross_entropy(self.logits(features["clips"]), orders)
        return cross_entropy, {"order": cross_entropy}

    def answers(self, features: Mapping[str, Tensor]) -> tuple[Tensor, float]:
        """Whether the likeliest order is the one in which the clips are shown."""
        orders = rank(shown_orders(features["draws"]))
        return self.logits(features["clips"]).argmax(1) == orders, 1 / NUM_ORDERS

    def logits(self, clips: Tensor) -> Tensor:
        """(B, 6) for the features (B, 3, D) of three clips as shown."""
        pairs = [
            self.pair(torch.cat([clips[:, k], clips[:, m]], 1))
            for k, m in combinations(range(NUM_CLIPS), 2)
        ]
        logits: Tensor = self.classifier(self.dropout(torch.cat(pairs, 1)))
        return logits

    def shown_clips(self, batch: Mapping[str, Tensor]) -> Tensor:
        """The clips of each item, as shown: (B, 3, C, T, side, side)."""
        video, draws = batch["video"], batch["draws"]
        frames, side = self.settings.clip_frames, self.settings.side(video.shape[-1])
        room = video.shape[-1] - side + 1
        times = shown_orders(draws) * (frames + self.settings.gap)
        crops = [choose(draws[:, 3 * i : 3 * i + 3], room) for i in (1, 2)]
        clips = cut(video, torch.stack([times, *crops], 2), (frames, side, side))
        if self.settings.signal == "destroyed":
            numbers = torch.cat([batch[name] for name in self.samples[2:]], 1)
            clips = with_frames_shuffled(clips, numbers[:, : NUM_CLIPS * frames].argsort(1))
        return clips


def shown_orders(draws: Tensor) -> Tensor:
    """The clip that is shown at each place, by its place in the video: (B, 3) int64."""
    return draws[:, :NUM_CLIPS].argsort(1)


def with_frames_shuffled(clips: Tensor, order: Tensor) -> Tensor:
    """Clips (B, K, C, T, H, W) of the same frames in another order, (B, K T) int64."""
    frames = clips.transpose(2, 3).flatten(1, 2)
    items = torch.arange(len(clips), device=clips.device)[:, None]
    return frames[items, order].unflatten(1, (clips.shape[1], -1)).transpose(2, 3)


def build(settings: Settings, phase: str, sizes: Encoders, facts: CorpusFacts) -> VCOP:
    """See :func:`iicl.methods.build`."""
    return VCOP(settings, sizes, facts)
