"""The table of speeds: a golden one, and a plot of the same."""

import dataclasses
from typing import Any

from benchmarks.throughput import results_table
from benchmarks.throughput.judge import Ratio
from benchmarks.throughput.results_table import Beside, Line

BESIDE = (Beside("other", 3.0), Beside("GEMM", 0.6))
LINES = [
    Line("step", "a | b", 0.2, 0.1, Ratio(0.5, 0.4, 0.625), *BESIDE),
    Line("planner", "tables", 0.004, 0.005, Ratio(1.25, 1.0, 1.6), None, None),
]
RECORD: dict[str, Any] = {
    "device": "A CPU",
    "clock": "CPU time",
    "machine": "x86_64, 2 cores, Linux",
    "versions": {"python": "3.11", "torch": "2.11.0"},
    "before": "b" * 40,
    "now": "c" * 40,
    "num_pairs": 5,
    "parts": [dataclasses.asdict(line) for line in LINES],
}
GOLDEN = """\
## A CPU

x86_64, 2 cores, Linux; python 3.11, torch 2.11.0. CPU time; 5 pairs. Before: BEFORE. Now: NOW.

| part    | work   |    before |       now |     times as fast | peer        | bound of the hardware   |   reached |
|:--------|:-------|----------:|----------:|------------------:|:------------|:------------------------|----------:|
| step    | a \\| b | 200.00 ms | 100.00 ms | 2.00 [1.60, 2.50] | other: 3.00 | GEMM                    |      60 % |
| planner | tables |   4.00 ms |   5.00 ms | 0.80 [0.62, 1.00] | -           | -                       |         - |

## GPUs

Not measured.
"""  # noqa: E501


def test_the_table_is_the_golden_one() -> None:
    text = results_table.markdown([RECORD])
    golden = GOLDEN.replace("BEFORE", "b" * 40).replace("NOW", "c" * 40)
    assert text[text.index("## ") :] == golden


def test_a_measured_gpu_is_not_called_unmeasured() -> None:
    text = results_table.markdown([RECORD, {**RECORD, "device": "A GPU", "clock": "wall time"}])
    assert "## A GPU" in text
    assert "Not measured" not in text


def test_equal_records_give_equal_pictures_and_others_another() -> None:
    picture = results_table.plot([RECORD])
    assert picture == results_table.plot([RECORD])
    assert picture != results_table.plot([{**RECORD, "parts": RECORD["parts"][:1]}])
