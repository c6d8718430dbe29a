"""Learning-rate factors as pure functions of the step."""

import math
from collections.abc import Sequence

WARMUP_START = 1 / 8


def cosine(step: int, num_steps: int) -> float:
    """Half a cosine from 1 at step 0 to 0 at ``num_steps``."""
    return 0.5 * (1 + math.cos(math.pi * step / num_steps))


def steps_with_warmup(
    epoch: float, *, warmup_epochs: float, milestones: Sequence[int], decay: float
) -> float:
    """Linear warm-up from an eighth of the rate, then a factor ``decay`` at each milestone.

    Args:
        epoch: finished epochs, fractional, >= 0.
        warmup_epochs: length of the warm-up, >= 0.
        milestones: epochs at which the rate falls.
        decay: factor of each fall.
    """
    factor = decay ** sum(epoch >= milestone for milestone in milestones)
    if epoch < warmup_epochs:
        factor *= WARMUP_START + (1 - WARMUP_START) * epoch / warmup_epochs
    return factor
