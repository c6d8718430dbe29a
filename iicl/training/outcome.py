"""What every stage says about itself when it is done."""

import resource
import sys
from typing import Any

import torch

from iicl.training.distributed import Ranks
from iicl.training.loop import Trained


def peak_memory_bytes() -> int:
    """The largest resident memory of this process, and of its device's allocator, so far."""
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux kibibytes
    host = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    device = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0
    return max(host, device)


def cost(*, seconds: float, num_clips: int, ranks: Ranks) -> dict[str, Any]:
    """How many ranks a stage had, their clips per second together and the largest's peak memory."""
    return {
        "num_ranks": ranks.size,
        "clips_per_second": num_clips / seconds if seconds else None,
        "peak_memory_bytes": ranks.max(peak_memory_bytes()),
    }


def training_cost(trained: Trained, ranks: Ranks) -> dict[str, Any]:
    """The cost of what :class:`iicl.training.loop.Trained` counts."""
    return {
        **cost(seconds=trained.seconds, num_clips=trained.num_items, ranks=ranks),
        "num_items_in_corpus_passes": trained.num_items_in_corpus_passes,
    }
