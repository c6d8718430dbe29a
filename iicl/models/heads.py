"""The projections g_ins and g_clu (paper III-C and III-D)."""

from collections.abc import Callable, Sequence
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
    """One head for several streams, or one for each, behind one call.

    Args:
        make: a function that makes one head.
        sharing: "shared" or "separate".
        names: of the streams; in the state, a separate head has the name of its stream.
    """

    def __init__(
        self,
        make: Callable[[], nn.Module],
        sharing: Literal["shared", "separate"],
        names: Sequence[str],
    ) -> None:
        super().__init__({name: make() for name in (["shared"] if sharing == "shared" else names)})

    def forward(self, name: str, hidden: Tensor) -> Tensor:
        """The head of a stream on its hidden features (N, dim)."""
        return self["shared" if "shared" in self else name](hidden)
