from pathlib import Path
from types import SimpleNamespace

import pytest

from iicl.training import outcome
from iicl.training.distributed import ALONE
from iicl.training.loop import Trained


def test_cost_of_a_training():
    trained = Trained(last_losses={}, seconds=4.0, num_items=10, num_items_in_corpus_passes=3)
    spent = outcome.training_cost(trained, ALONE)
    assert spent.pop("peak_memory_bytes") > 0
    assert spent == {
        "num_ranks": 1, "clips_per_second": 2.5, "num_items_in_corpus_passes": 3
    }  # fmt: skip
    untrained = outcome.cost(seconds=0.0, num_clips=0, ranks=ALONE)
    assert untrained["clips_per_second"] is None


def test_peak_memory_is_the_kernel_s_high_water_mark():
    status = Path("/proc/self/status")
    if not status.exists():
        pytest.skip("needs Linux's /proc")
    lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
    peak = int(lines["VmHWM"].split()[0]) * 1024
    assert outcome.peak_memory_bytes() == pytest.approx(peak, rel=0.1)


@pytest.mark.parametrize(("system", "unit"), [("linux", 1024), ("darwin", 1)])
def test_the_unit_of_peak_memory_is_the_system_s(
    system: str, unit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", system)
    monkeypatch.setattr("resource.getrusage", lambda who: SimpleNamespace(ru_maxrss=3 << 30))
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert outcome.peak_memory_bytes() == (3 << 30) * unit
