"""Embeddings of length 1."""

import torch
import torch.nn.functional as F
from torch import Tensor


def unit(rows: Tensor) -> Tensor:
    """Rows (N, D) divided by their length, in float32 or float64: in bf16 lengths would differ."""
    return F.normalize(rows.to(torch.promote_types(rows.dtype, torch.float32)), dim=1)
