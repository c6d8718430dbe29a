"""How long one piece of work takes on a device."""

import time
from collections.abc import Callable


def seconds(work: Callable[[], object], device: str) -> float:
    """CPU seconds of one run on a CPU, wall seconds on a GPU."""
    if not device.startswith("cuda"):
        started = time.process_time()
        work()
        return time.process_time() - started
    import torch

    torch.cuda.synchronize()
    started = time.perf_counter()
    work()
    torch.cuda.synchronize()
    return time.perf_counter() - started
