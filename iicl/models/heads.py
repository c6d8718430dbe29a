"""The projections g_ins and g_clu (paper III-C and III-D)."""

from collections.abc import Callable
from typing import Literal

from torch import Tensor, nn


def instance_head(dim: int, instance_dim: int) -> nn.Sequential:
    """g_ins: two fully connected layers, (N, dim) -> (N, instance_dim)."""
    return nn.Sequential(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, instance_dim))


def cluster_head(dim: int, clusters: int) -> nn.Module:
    """g_clu: two fully connected layers and a softmax over clusters, (N, dim) -> (N, clusters)."""
    return nn.Sequential(
        nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, clusters), nn.Softmax(dim=1)
    )


class Heads(nn.ModuleDict):
    """One head for both views, or one head for each view, with the same call.

    Args:
        make: a function that makes one head.
        sharing: "shared" or "separate".
    """

    def __init__(
        self, make: Callable[[], nn.Module], sharing: Literal["shared", "separate"]
    ) -> None:
        names = ("shared",) if sharing == "shared" else ("video", "audio")
        super().__init__({name: make() for name in names})

    def forward(self, view: str, hidden: Tensor) -> Tensor:
        """The head of ``view`` ("video" or "audio") on its hidden features (N, dim)."""
        return self["shared" if "shared" in self else view](hidden)
