"""Video methods on an encoder that is trained in a second: it sees the brightness of each frame."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from iicl import methods
from iicl.methods.base import Method
from tests.iicl.facts import facts
from tests.iicl.methods.every_method import SMALL

Batch = dict[str, Tensor]


class Brightness(nn.Module):
    """Each frame's mean, seen with its neighbours; as many features as the small encoder has."""

    def __init__(self) -> None:
        super().__init__()
        self.feature_dim = SMALL.of("video").feature_dim
        self.window = nn.Conv1d(1, self.feature_dim, 3)

    def tokens(self, video: Tensor) -> Tensor:
        return self.window(video.mean((1, 3, 4))[:, None]).relu().transpose(1, 2)

    def forward(self, video: Tensor) -> Tensor:
        return self.tokens(video).mean(1)


def toy(settings: Mapping[str, object]) -> Method:
    """A method on that encoder."""
    torch.manual_seed(0)
    method = methods.build(methods.read_settings(settings), "training", SMALL, facts())
    method.video_encoder = Brightness()
    return method


def trained(method: Method, batches: Callable[[int], Batch], steps: int) -> float:
    """Train on batches of 64 drawn anew; the share of right answers on 600 further items."""
    optimiser = torch.optim.Adam(method.parameters(), lr=5e-3)
    method.train()
    for _ in range(steps):
        optimiser.zero_grad()
        method.loss(method.encode(batches(64)))[0].backward()
        optimiser.step()
    method.eval()
    with torch.no_grad():
        answers = method.answers(method.encode(batches(600)))
    assert answers is not None
    return float(answers[0].float().mean())
