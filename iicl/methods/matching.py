"""The question of the methods that pair two views: which of a batch belongs to this one?"""

import torch
import torch.nn.functional as F
from torch import Tensor


def match(first: Tensor, second: Tensor) -> tuple[Tensor, float]:
    """Whether the nearest row of the other stream, by cosine, is the own one.

    Args:
        first: (N, D) of one stream.
        second: (N, D) of the other; row i belongs to row i.

    Returns:
        (2 N,) bool: for the rows of ``first``, then for those of ``second``; and 1 / N, which
        guessing gets.
    """
    similarities = F.normalize(first.double()) @ F.normalize(second.double()).T
    own = torch.arange(len(first), device=first.device)
    return torch.cat([similarities.argmax(d) == own for d in (1, 0)]), 1 / len(first)
