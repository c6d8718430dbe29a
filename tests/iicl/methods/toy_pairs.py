"""Methods of videos and sounds on encoders that are trained in a second: both see a series."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from iicl import methods
from iicl.methods.base import Method
from iicl.methods.settings import MethodSettings
from tests.iicl.facts import facts
from tests.iicl.methods.every_method import SMALL

LENGTH = 6


class Series(nn.Module):
    """Features of the brightness of frames, or of the loudness of a spectrogram's columns."""

    def __init__(self, dim: int, over: tuple[int, ...]) -> None:
        super().__init__()
        self.over = over
        self.layers = nn.Sequential(nn.Linear(LENGTH, 64), nn.ReLU(), nn.Linear(64, dim))

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.layers(x.mean(self.over))
        return features


def toy(settings: MethodSettings, phase: str) -> Method:
    """A method on such encoders."""
    torch.manual_seed(0)
    method = methods.build(settings, phase, SMALL, facts())
    method.video_encoder = Series(SMALL.of("video").feature_dim, (1, 3, 4))
    method.audio_encoder = Series(SMALL.of("audio").feature_dim, (1, 2))
    return method


def batch_of_series(names: Sequence[str], num_items: int, *, paired: bool) -> dict[str, Tensor]:
    """Items with a random series at each of two times; a video and its sound follow the same one.

    Not paired, the sounds follow the series of the item before.
    """
    plain, elsewhere = torch.randn(2, num_items, LENGTH)
    batch = {"draws": torch.rand(num_items, 10)}
    for name in names:
        view, _, word = name.partition(":")
        series = elsewhere if word in ("apart", "shifted") else plain
        if view == "video":
            batch[name] = series[:, None, :, None, None].expand(-1, 3, -1, 2, 2)
        elif view == "audio":
            sounds = series if paired else series.roll(1, 0)
            batch[name] = sounds[:, None, None].expand(-1, 1, 3, -1)
    return batch


def trained(method: Method, *, paired: bool, steps: int = 150) -> tuple[float, float]:
    """Train on new batches of 32; the loss and the share of right answers on 20 more of them."""
    optimiser = torch.optim.Adam(method.parameters(), lr=5e-3)
    method.train()
    for _ in range(steps):
        optimiser.zero_grad()
        method.loss(method.encode(batch_of_series(method.samples, 32, paired=paired)))[0].backward()
        optimiser.step()
    method.eval()
    losses, hits = [], []
    with torch.no_grad():
        for _ in range(20):
            features = method.encode(batch_of_series(method.samples, 32, paired=paired))
            answers = method.answers(features)
            assert answers is not None
            losses.append(method.loss(features)[0])
            hits.append(answers[0])
    return float(torch.stack(losses).mean()), float(torch.cat(hits).float().mean())
