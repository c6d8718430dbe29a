"""The co-attention module (paper III-B, eq. 1): each stream gives the queries for the other."""

from typing import Literal

import torch.nn.functional as F
from torch import Tensor, nn


class CoAttention(nn.Module):
    """Stacked cross-modal attention, H_v = softmax(F_a F_v^T / sqrt(d)) F_v and the mirror image.

    The first stream is v and the second is a. With every option at its default this is eq. 1 to the
    letter and has no parameters.

    ``form="batch"`` reads F as the N x d matrix of a batch: row i of H_v is a mean over the
    videos of the batch, with weights that audio i gives. Row i of H_v depends on pair i only
    through f_a,i, and row j of H_a only through f_v,j (at an even depth the other way round). The
    objective can therefore be lowered only by finding what the two parts of a pair share.

    ``form="token"`` lets the tokens of one item attend to each other and then takes their mean.
    **It leaks the pairing**: both h_v,i and h_a,i are functions of the same (v_i, a_i), so a
    contrastive loss on them falls even if video and sound are independent noise. Its training loss,
    and any retrieval through it, measure this short cut as well as what was learned. It is offered
    as an ablation.

    Args:
        dim: d, the feature dimension of both streams.
        names: of the streams; in the state, each layer's parts have them.
        form: "batch" or "token".
        depth: number of layers; each takes both streams of the layer before.
        projections: learned query, key and value maps, separate for each layer and direction.
        residual: "query" adds the query, that is, the *other* stream. Adding the attended stream
            itself is not offered: h_v,i would then depend on both v_i and a_i, the leak of "token".
        norm: "layer" normalises what attention and feed-forward read (no learned scale or shift).
        feed_forward: d -> 4d -> d with ReLU and its own residual, after attention.
    """

    def __init__(
        self,
        dim: int,
        names: tuple[str, str] = ("first", "second"),
        *,
        form: Literal["batch", "token"] = "batch",
        depth: int = 1,
        projections: bool = False,
        residual: Literal["none", "query"] = "none",
        norm: Literal["none", "layer"] = "none",
        feed_forward: bool = False,
    ) -> None:
        super().__init__()
        self.form, self.names = form, names
        self.layers = nn.ModuleList(
            nn.ModuleDict(
                {name: _Attention(dim, projections, residual, norm, feed_forward) for name in names}
            )
            for _ in range(depth)
        )

    def forward(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """Attend both streams.

        Args:
            first: F_v, (N, d) for the batch form, (N, L_v, d) for the token form.
            second: F_a, (N, d) or (N, L_a, d).

        Returns:
            H_v and H_a, (N, d) each.
        """
        if self.form == "batch":
            first, second = first.unsqueeze(0), second.unsqueeze(0)
        for layer in self.layers:
            assert isinstance(layer, nn.ModuleDict)
            of_first, of_second = (layer[name] for name in self.names)
            first, second = of_first(second, first), of_second(first, second)
        pooled = 0 if self.form == "batch" else 1
        return first.mean(pooled), second.mean(pooled)


class _Attention(nn.Module):
    """Attention(Q, K = V) of eq. 1 in one direction."""

    def __init__(
        self, dim: int, projections: bool, residual: str, norm: str, feed_forward: bool
    ) -> None:
        super().__init__()
        self.residual, self.norm = residual, norm
        self.query, self.key, self.value = (
            nn.Linear(dim, dim, bias=False) if projections else nn.Identity() for _ in range(3)
        )
        self.feed_forward = (
            nn.Sequential(nn.Linear(dim, 4 * dim), nn.ReLU(), nn.Linear(4 * dim, dim))
            if feed_forward
            else None
        )

    def forward(self, guide: Tensor, stream: Tensor) -> Tensor:
        query, source = self._normalised(guide), self._normalised(stream)
        attended = F.scaled_dot_product_attention(
            self.query(query), self.key(source), self.value(source)
        )
        if self.residual == "query":
            attended = guide + attended
        if self.feed_forward is not None:
            attended = attended + self.feed_forward(self._normalised(attended))
        return attended

    def _normalised(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, x.shape[-1:]) if self.norm == "layer" else x
