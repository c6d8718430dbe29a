"""How many processor cores this process may use."""

import math
import os
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")


def num_cores(groups: Path = GROUPS) -> int:
    """Cores that this process may run on, and that the time limit of its container is worth.

    ``joblib.cpu_count`` gives the same number. Its import takes longer than many a plan.

    Args:
        groups: folder in which Linux shows the control group of a container, version 1 or 2.
    """
    of_process = getattr(os, "sched_getaffinity", None)  # macOS has none
    cores = len(of_process(0)) if of_process is not None else os.cpu_count() or 1
    return max(1, min(cores, _limit(groups)))


def _limit(groups: Path) -> int:
    """The cores that a container's limit is worth, rounded up; a huge number if it has none."""
    try:
        if (groups / "cpu.max").exists():
            quota, period = (groups / "cpu.max").read_text().split()
        else:
            quota, period = (
                (groups / "cpu" / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period")
            )
        # Version 2 writes "max" for no limit, version 1 writes -1.
        if quota != "max" and int(quota) > 0:
            return math.ceil(int(quota) / int(period))
    except (OSError, ValueError):
        pass
    return 2**31
