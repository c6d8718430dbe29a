"""The paper's method on encoders that are small enough to check by hand."""

import torch
from torch import Tensor, nn

from iicl.methods.iicl.method import IICL
from iicl.methods.iicl.settings import Settings as IICLSettings


class Tokens(nn.Module):
    """An encoder small enough to check by hand."""

    def __init__(self, feature_dim: int = 6) -> None:
        super().__init__()
        self.feature_dim = feature_dim
        self.map = nn.Linear(5, feature_dim)

    def tokens(self, x: Tensor) -> Tensor:
        return self.map(x)

    def forward(self, x: Tensor) -> Tensor:
        return self.tokens(x).mean(1)


def make(phase: str = "co_training", **settings: object) -> IICL:
    torch.manual_seed(0)
    all_settings = {"clusters": 4, "instance_dim": 7, **settings}
    return IICL(IICLSettings.model_validate(all_settings), phase, Tokens(), Tokens()).double()


def views(n: int = 8) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {
        view: torch.randn(n, tokens, 5, dtype=torch.float64, generator=generator)
        for view, tokens in (("video", 3), ("audio", 2))
    }
