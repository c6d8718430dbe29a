from pathlib import Path

import pytest

from iicl.training import outcome
from iicl.training.distributed import ALONE
from iicl.training.loop import Trained


def test_cost_of_a_training():
    trained = Trained(last_losses={}, seconds=4.0, num_items=10)
    spent = outcome.training_cost(trained, ALONE)
    assert spent.pop("peak_memory_bytes") > 0
    assert spent == {"num_ranks": 1, "clips_per_second": 2.5}
    untrained = outcome.cost(seconds=0.0, num_clips=0, ranks=ALONE)
    assert untrained["clips_per_second"] is None


def test_peak_memory_is_the_kernel_s_high_water_mark():
    status = Path("/proc/self/status")
    if not status.exists():
        pytest.skip("needs Linux's /proc")
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
    peak = int(lines["VmHWM"].split()[0]) * 1024
    assert outcome.peak_memory_bytes() == pytest.approx(peak, rel=0.1)
