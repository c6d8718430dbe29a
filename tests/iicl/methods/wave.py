"""Embeddings by a formula, for values that can be computed again by hand."""

import torch
from torch import Tensor


def wave(num_rows: int, number: int, dim: int = 4) -> Tensor:
    """(num_rows, dim) float64 rows of length 1; another number gives other rows."""
    i = torch.arange(num_rows, dtype=torch.float64)[:, None]
    k = torch.arange(dim, dtype=torch.float64)
    x = torch.sin(1 + 0.7 * i + 1.3 * k + 0.5 * number + 0.31 * i * k)
    return x / x.norm(dim=1, keepdim=True)
