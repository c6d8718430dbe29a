"""Space-time cubic puzzles: in which order are four pieces of a video shown?"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from iicl import encoders
from iicl.config import CorpusFacts
from iicl.encoders.choice import Encoders
from iicl.methods.base import Method
from iicl.methods.puzzles import choose, cut, rank
from iicl.methods.st_puzzle.settings import (
    NUM_ORDERS,
    NUM_PIECES,
    SPATIAL_GRID,
    Kind,
    Settings,
)


class STPuzzle(Method):
    """Cross-entropy over the 24 orders of four pieces of a video.

    One encoder, four times, gives the feature h_k of the piece that is shown at place k; the logits
    are W2 ReLU(W1 [h_1, h_2, h_3, h_4] + b1) + b2, with weights of each kind's own. Each item is a
    temporal or a spatial puzzle. A network that has learnt nothing has the loss log 24 = 3.1780538.

    Args:
        settings: kinds of puzzles and sizes of the pieces.
        sizes: of the encoders.
        facts: of the corpus.
    """

    def __init__(self, settings: Settings, sizes: Encoders, facts: CorpusFacts) -> None:
        super().__init__()
        self.settings = settings
        self.samples = tuple(sample.name for sample in settings.samples("training"))
        self.video_encoder = encoders.build(sizes.of("video"), facts)
        dim = NUM_PIECES * sizes.of("video").feature_dim
        hidden = settings.hidden
        self.classifiers = nn.ModuleDict(
            {
                kind: nn.Sequential(
                    nn.Linear(dim, hidden), nn.ReLU(), nn.Linear(hidden, NUM_ORDERS)
                )
                for kind in settings.asked()
            }
        )

    def encode(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """``pieces`` (B, 4, D) in the order in which they are shown; ``draws`` as it came.

        All pieces go through one call of the encoder, so that the statistics of batch norm do not
        differ with the place at which a piece is shown.
        """
        pieces = self.shown_pieces(batch)
        features = self.video_encoder(pieces.flatten(0, 1))
        return {"pieces": features.unflatten(0, pieces.shape[:2]), "draws": batch["draws"]}

    def loss(self, features: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """The mean cross-entropy over items, and that over the items of each kind."""
        draws = features["draws"]
        orders = rank(shown_orders(draws))
        cross_entropy = F.cross_entropy(self.logits(features), orders, reduction="none")
        parts: dict[str, Tensor] = {}
        for kind in self.settings.asked():
            is_kind = self.is_kind(kind, draws)
            parts[kind] = (cross_entropy * is_kind).sum() / is_kind.sum().clamp(min=1)
        return cross_entropy.mean(), parts

    def answers(self, features: Mapping[str, Tensor]) -> tuple[Tensor, float]:
        """Whether the likeliest order is the one in which the pieces are shown."""
        orders = rank(shown_orders(features["draws"]))
        return self.logits(features).argmax(1) == orders, 1 / NUM_ORDERS

    def logits(self, features: Mapping[str, Tensor]) -> Tensor:
        """(B, 24), from the head of each item's own kind."""
        pieces = features["pieces"].flatten(1)
        logits = pieces.new_zeros(len(pieces), NUM_ORDERS)
        for kind, classifier in self.classifiers.items():
            is_kind = self.is_kind(kind, features["draws"])
            logits = torch.where(is_kind[:, None], classifier(pieces), logits)
        return logits

    def is_kind(self, kind: str, draws: Tensor) -> Tensor:
        """Whether each item is a puzzle of the kind: (B,) bool."""
        if self.settings.kinds != "both":
            return torch.ones_like(draws[:, 4], dtype=torch.bool)
        is_temporal = draws[:, 4] < 0.5
        return is_temporal if kind == "temporal" else ~is_temporal

    def shown_pieces(self, batch: Mapping[str, Tensor]) -> Tensor:
        """The pieces of each item, as shown: (B, 4, 3, T, side, side)."""
        video, settings = batch["video"], self.settings
        if settings.signal == "destroyed":
            video = video.mean((2, 3, 4), keepdim=True).expand_as(video)
        if settings.channel_replication:
            colour = choose(batch["draws"][:, 6], video.shape[1])
            items = torch.arange(len(video), device=video.device)
            video = video[items, colour][:, None]
        side = settings.side(video.shape[-1])
        pieces = cut(video, self.begins(batch), (settings.piece_frames, side, side))
        return pieces.expand(-1, -1, 3, -1, -1, -1)

    def begins(self, batch: Mapping[str, Tensor]) -> Tensor:
        """First frame, row and column of each piece, as shown: (B, 4, 3) int64."""
        by_kind = {kind: self._begins_of(kind, batch) for kind in self.settings.asked()}
        if len(by_kind) == 1:
            return next(iter(by_kind.values()))
        is_temporal = self.is_kind("temporal", batch["draws"])[:, None, None]
        return torch.where(is_temporal, by_kind["temporal"], by_kind["spatial"])

    def _begins_of(self, kind: Kind, batch: Mapping[str, Tensor]) -> Tensor:
        """As if all items were puzzles of one kind: a slot and a cell, and a place within them."""
        settings, draws, size = self.settings, batch["draws"], batch["video"].shape[-1]
        orders = shown_orders(draws)
        if kind == "temporal":
            grid: int = settings.temporal_grid
            slots, cells = orders, choose(draws[:, 5:6], grid**2).expand_as(orders)
        else:
            grid = SPATIAL_GRID
            slots, cells = choose(draws[:, 5:6], NUM_PIECES).expand_as(orders), orders
        numbers = torch.cat([draws[:, 7:], batch["draws:1"]], 1).split(NUM_PIECES, 1)
        cell_side = size // grid
        room = cell_side - settings.side(size) + 1
        frames = choose(numbers[0], settings.slot_frames - settings.piece_frames + 1)
        begins = [
            slots * settings.slot_frames + frames,
            cells // grid * cell_side + choose(numbers[1], room),
            cells % grid * cell_side + choose(numbers[2], room),
        ]
        return torch.stack(begins, 2)


def shown_orders(draws: Tensor) -> Tensor:
    """The piece that is shown at each place, by its place in the video: (B, 4) int64."""
    return draws[:, :NUM_PIECES].argsort(1)


def build(settings: Settings, phase: str, sizes: Encoders, facts: CorpusFacts) -> STPuzzle:
    """See :func:`iicl.methods.build`."""
    return STPuzzle(settings, sizes, facts)
