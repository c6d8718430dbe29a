"""The paper against itself: known findings on the real tables, and altered numbers are noticed."""

from typing import Any

import numpy as np
import pytest
from fake_checkout import ROOT
from scipy import stats

from benchmarks.results.paper_check import design_effect, paper_check, wilson
from benchmarks.spec.read_tables import load_table
from benchmarks.spec.table import ColumnSpec, Table

TABLES = {path.stem: load_table(path) for path in sorted((ROOT / "tables").glob("table?.yaml"))}


def findings(name: str, **reported: dict[str, float]) -> list[str]:
    """What is found in a table, its notes left out, with some numbers altered: row -> values."""
    data: dict[str, Any] = TABLES[name].model_dump()
    for row, values in reported.items():
        data["rows"][row]["reported"].update(values)
    table = Table.model_validate(data)
    return paper_check(table, TABLES)[: -len(table.paper.notes) or None]


def test_table_1_disagrees_with_tables_4_and_5_and_not_with_itself() -> None:
    bold, fine, retrieval, sampling = findings("table1")
    assert bold == "Bold is the best value in fc-only, finetune and R@1."
    assert fine.startswith(
        "Row 400 has 94.3 in finetune, which is 1.5 points from the 92.8 in UCF of Table V,"
        " row IICL (AudioSet): "
    )
    assert retrieval.startswith("Row 400 has 59.3 in R@1, which is 2.5 points from the 56.8 in")
    # 3,783 / 2.87 = 1,318 and 1.96 sqrt(0.735 x 0.265 / 1,318) = 2.38 %
    assert "3,783 test items of 707 groups, in which hits correlate at 0.43, so that" in sampling
    assert (
        "count as 1,318 independent ones (design effect 1 + (5.35 - 1) x 0.43 = 2.87)" in sampling
    )
    assert "fc-only 73.5 is 71.1 to 75.8 (the best two are 0.3 apart, all rows 0.9)" in sampling
    (there,) = [line for line in findings("table4") if "Table I, row 400" in line]
    assert there.startswith("Row IICL has 56.8 in R@1, which is 2.5 points from the 59.3 in R@1")


@pytest.mark.parametrize(("percent", "num_items"), [(96.8, 100), (45.0, 100), (0.0, 7), (100.0, 9)])
def test_the_binomial_interval_is_scipys(percent: float, num_items: int) -> None:
    right = round(percent / 100 * num_items)
    exact = stats.binomtest(right, num_items).proportion_ci(method="wilson")
    found = wilson(100 * right / num_items, num_items)
    assert found == pytest.approx((100 * exact.low, 100 * exact.high), abs=1e-4)


@pytest.mark.parametrize(("sizes", "rho"), [([5] * 6, 0.43), ([1] * 9, 0.7), ([4] * 3, 0.0)])
def test_the_design_effect_is_the_ratio_of_variances(sizes: list[int], rho: float) -> None:
    """The variance of a mean of hits, summed over all pairs of items, against independent ones."""
    groups = [group for group, size in enumerate(sizes) for _ in range(size)]
    share, n = 0.3, sum(sizes)
    variance = 0.0
    for i in range(n):
        for j in range(n):
            correlation = 1.0 if i == j else rho if groups[i] == groups[j] else 0.0
            variance += share * (1 - share) * correlation / n**2
    column = ColumnSpec(
        label="x",
        protocol="x",
        metric="x",
        num_test=n,
        num_groups=len(sizes),
        group_correlation=rho,
    )
    assert design_effect(column) == pytest.approx(variance / (share * (1 - share) / n))
    independent = column.model_copy(update={"num_groups": None, "group_correlation": None})
    assert design_effect(independent) == 1.0


def test_the_interval_over_groups_covers_what_it_says() -> None:
    """Hits of a beta-binomial with that correlation, drawn anew 4,000 times."""
    rng, share, rho, size, num_groups = np.random.default_rng(0), 0.7, 0.43, 5, 200
    strength = (1 - rho) / rho
    chances = rng.beta(share * strength, (1 - share) * strength, (4000, num_groups))
    percents = 100 * rng.binomial(size, chances).sum(axis=1) / (size * num_groups)
    column = ColumnSpec(
        label="x",
        protocol="x",
        metric="x",
        num_test=size * num_groups,
        num_groups=num_groups,
        group_correlation=rho,
    )

    def covered(num_items: float) -> float:
        ends = [wilson(percent, num_items) for percent in percents]
        return sum(low <= 100 * share <= high for low, high in ends) / len(ends)

    assert covered(1000 / design_effect(column)) == pytest.approx(0.95, abs=0.011)  # 3 sd
    assert covered(1000) < 0.8


REPEATED = (
    "Row IICL (AudioSet) has 92.8 in UCF, which is 1.5 points from the 94.3 in finetune of Table I,"
    f" row 400: {TABLES['table1'].paper.repeats[0].says.strip()}."
)


def test_table_5_is_contradicted_by_its_rivals() -> None:
    assert findings("table5") == [
        "Bold is the best value in UCF (kinetics400), UCF (other) and HMDB (other).",
        "HMDB (kinetics400): bold is IICL (Kinetics400) with 61.5, but the best value is 62.9, of"
        " CoCLR [7].",
        'Its own numbers contradict "pretrained on Kinetics, IICL is the state of the art of all'
        ' listed methods" (IV-E and bold mark): in HMDB IICL (Kinetics400) has 61.5 and'
        " CoCLR [7] has 62.9.",
        'Its own numbers contradict "pretrained on AudioSet, IICL is similar to GDT" (IV-E): in'
        " HMDB IICL (AudioSet) has 63.9 and GDT [37] (AudioSet) has 66.1, 2.2 points apart.",
        'Its own numbers contradict "IICL is considerably better than earlier methods (AudioSet,'
        ' XDC)" (abstract): in UCF IICL (AudioSet) has 92.8 and XDC [25] (AudioSet) has 93.0;'
        " in HMDB IICL (AudioSet) has 63.9 and XDC [25] (AudioSet) has 63.7.",
        'Its own numbers contradict "IICL is considerably better than earlier methods (AudioSet,'
        ' GDT)" (abstract): in UCF IICL (AudioSet) has 92.8 and GDT [37] (AudioSet) has 92.5; in'
        " HMDB IICL (AudioSet) has 63.9 and GDT [37] (AudioSet) has 66.1.",
        REPEATED,
    ]


def test_a_hundred_recordings_cannot_give_96_8_and_some_means_can() -> None:
    def possible(num_runs: int) -> bool:
        total = 100 * num_runs
        return any(abs(100 * right / total - 96.8) < 0.05 + 1e-9 for right in range(total + 1))

    assert not possible(1)
    runs = ", ".join(str(n) for n in range(2, 11) if possible(n))
    assert findings("table6")[1] == (
        "DCASE: 96.8 of IICL cannot be the accuracy of one run over 100 test items; a mean over"
        f" {runs} runs could be."
    )
    assert not any("cannot" in line for line in findings("table6", iicl={"dcase": 97.0}))


def test_a_mean_over_folds_may_be_any_number() -> None:
    data: dict[str, Any] = TABLES["table6"].model_dump()
    data["protocols"]["dcase"]["fold"] = [1, 2]
    lines = paper_check(Table.model_validate(data), TABLES)
    assert not any("cannot" in line for line in lines)


def test_less_than_a_point_is_not_considerable() -> None:
    found = findings("table4")
    (line,) = [line for line in found if "contradict" in line]
    assert line.endswith("(abstract): in R@1 IICL has 56.8 and CoCLR [7] has 55.9.")
    found = findings("table4", iicl={"r1": 57.0})
    assert not any("contradict" in line for line in found)


@pytest.mark.parametrize("name", ["table2", "table3"])
def test_the_other_tables_agree_with_themselves(name: str) -> None:
    found = findings(name)
    assert found[0].startswith("Bold is the best value in ")
    assert not any("contradict" in line or "cannot" in line for line in found)


def test_altered_numbers_are_noticed() -> None:
    found = findings("table1", c800={"fc_only": 74.0})
    assert "fc-only: bold is 400 with 73.5, but the best value is 74.0, of 800." in found
    assert any("400 has 73.5 and 800 has 74.0" in line for line in found)
    found = findings("table1", c800={"fc_only": 73.5})
    assert "fc-only: bold is 400 with 73.5, but the best value is 73.5, of 400 and 800." in found, (
        "an unmarked tie"
    )
    found = findings("table2", cluster_ucf101={"acc": 77.1})
    assert any(
        "L_ins + L_clu (UCF101) has 77.1 and L_clu (UCF101) has 77.1" in line for line in found
    )
    found = findings("table1", c400={"finetune": 92.8})
    assert any("which is equal to the 92.8" in line for line in found)
    assert not any("similar" in line for line in findings("table5", iicl_audioset={"hmdb51": 65.1}))


def test_a_table_that_is_not_at_hand_is_said() -> None:
    lines = paper_check(TABLES["table1"], {})
    assert "Row 400 has 59.3 in R@1; Table IV is not at hand to compare it with." in lines
