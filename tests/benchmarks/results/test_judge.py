"""What is compared with the paper, and what is not."""

from dataclasses import replace

import pandas as pd
import pytest
from fake_checkout import ROOT, Checkout

from benchmarks.results import judge
from benchmarks.results.records import per_seed
from benchmarks.spec.claim import ClaimSpec
from benchmarks.spec.read_tables import find_tables
from benchmarks.spec.table import Table


def test_an_oracle_is_never_compared_and_a_seed_is_the_mean_of_its_folds() -> None:
    (table,) = find_tables(ROOT / "tables", ["I"])
    lines = [
        {"row": "c400", "group": "paper", "block": None, "column": "r1", "seed": seed, "fold": fold,
         "status": "done", "value": 0.1 * fold + 0.01 * seed, "chance": 0.01, "selection": "oracle",
         "num_evaluated": 3783, "num_expected": 3783}
        for seed in (0, 1) for fold in (1, 2, 3)
    ]  # fmt: skip
    frame = pd.DataFrame(lines)
    table = table.model_copy(update={"claims": [], "order": []})
    values = per_seed(frame, "c400", "r1")
    assert values == {0: pytest.approx(20.0), 1: pytest.approx(21.0)}
    cell = judge.judge(frame, table, compares=True).cells["c400", "r1"]
    assert cell.verdict == "not compared"
    frame["selection"] = "last"
    assert judge.judge(frame, table, compares=True).cells["c400", "r1"].verdict == "below"
    assert judge.judge(frame, table, compares=False).cells["c400", "r1"].verdict == "not compared"
    frame.loc[0, "num_evaluated"] = 3700
    assert judge.judge(frame, table, compares=True).cells["c400", "r1"].verdict == "not compared"
    frame.loc[0, "value"] = None
    assert set(per_seed(frame, "c400", "r1")) == {1}
    frame["selection"], frame["status"] = "last", "stale"
    assert judge.judge(frame, table, compares=True).cells["c400", "r1"].verdict == "stale"


@pytest.mark.parametrize(("within", "verdict"), [(1.0, "reversed"), (30.0, "holds")])
def test_a_control_that_must_be_at_chance_is_judged(
    checkout: Checkout, within: float, verdict: str
) -> None:
    """The untrained encoders of the fake stages lie some 22 points above chance."""
    table = checkout.folder / "tables" / "table2.yaml"
    claim = f"{{says: x, where: control, column: r1, at_chance: r, within: {within}}}"
    table.write_text(
        table.read_text()
        + "controls:\n  r: {label: R, pretrain: {method: random_init}}\n"
        + f"inference: {{level: 0.05, adjustment: holm}}\nclaims:\n  - {claim}\n"
    )
    assert checkout.run("--yes") == (1 if verdict == "reversed" else 0)
    text = (checkout.folder / "out" / "table2.md").read_text()
    assert "| R - chance = +2" in text
    assert f"| {verdict}" in text


def frame_of(rows: dict[str, dict[str, list[float]]], chance: float = 0.1) -> pd.DataFrame:
    """Records of finished runs: row -> column -> a fraction per seed."""
    return pd.DataFrame(
        {"row": row, "group": "paper", "block": None, "column": column, "seed": seed, "fold": 1,
         "status": "done", "value": value, "chance": chance, "selection": "last",
         "num_evaluated": 480, "num_expected": 480}
        for row, columns in rows.items()
        for column, values in columns.items()
        for seed, value in enumerate(values)
    )  # fmt: skip


def table_with(*claims: dict[str, object]) -> Table:
    (table,) = find_tables(ROOT / "tables", ["I"])
    made = [ClaimSpec.model_validate({"says": "x", "where": "y", **claim}) for claim in claims]
    return table.model_copy(update={"claims": made, "order": []})


HIGH, LOW, ODD = [0.50, 0.51, 0.52, 0.51], [0.30, 0.31, 0.33, 0.30], [0.20, 0.44, 0.31, 0.40]


def test_like_with_like_stands_beside_its_claim_and_decides_no_exit_code() -> None:
    table = table_with(
        {"column": "r1", "above": ["c400", "c100"], "beside": "fc_only"},
        {"column": "r1", "above": ["c400", "c200"]},
    )
    rows = {"c400": {"r1": HIGH, "fc_only": LOW}, "c100": {"r1": LOW, "fc_only": HIGH},
            "c200": {"r1": LOW, "fc_only": LOW}}  # fmt: skip
    judged = judge.judge(frame_of(rows), table, compares=False)
    first, second = judged.claims
    assert first.beside is not None
    assert (first.verdict, first.beside.verdict, second.beside) == ("holds", "reversed", None)
    assert first.beside.comparison == "fc_only: c100 - c400"
    assert judged.claims_family == judge.Family(3, 0.05)
    assert not judged.faults(table)
    beside = table_with({"column": "fc_only", "above": ["c400", "c100"]})
    judged = judge.judge(frame_of(rows), beside, compares=False)
    assert judged.faults(beside)
    exploratory = replace(judged.claims[0], is_exploratory=True)
    assert not replace(judged, claims=[exploratory]).faults(beside)


def test_a_row_is_compared_with_its_own_chance_seed_by_seed() -> None:
    table = table_with({"column": "r1", "above": ["c400", "chance"]})
    frame = frame_of({"c400": {"r1": ODD}}, chance=0.3)
    (judged,) = judge.judge(frame, table, compares=False).claims
    assert judged.verdict == "open"
    frame["chance"] = [value - 0.05 - 0.001 * seed for seed, value in enumerate(ODD)]
    (judged,) = judge.judge(frame, table, compares=False).claims
    assert judged.verdict == "holds"
    assert judged.why.startswith("400 - chance = +5.1")


@pytest.mark.parametrize(
    ("values", "verdict"),
    [([0.28, 0.30, 0.29, 0.27], "holds"), (LOW, "holds"), (HIGH, "reversed"), (ODD, "open")],
)
def test_a_row_that_is_not_above_another_may_lie_far_below_it(
    values: list[float], verdict: str
) -> None:
    table = table_with({"column": "r1", "not_above": ["c400", "c100"], "within": 5.0})
    frame = frame_of({"c400": {"r1": values}, "c100": {"r1": [0.30, 0.30, 0.31, 0.29]}})
    (judged,) = judge.judge(frame, table, compares=False).claims
    assert judged.verdict == verdict
    assert judged.comparison == "r1: c400 - c100 not above 5"
    far_below = frame_of({"c400": {"r1": LOW}, "c100": {"r1": HIGH}})
    (judged,) = judge.judge(far_below, table, compares=False).claims
    assert judged.verdict == "holds"


def test_a_row_is_not_above_its_own_chance() -> None:
    table = table_with({"column": "r1", "not_above": ["c400", "chance"], "within": 5.0})
    for chance, verdict in ((0.50, "holds"), (0.30, "reversed")):
        (judged,) = judge.judge(frame_of({"c400": {"r1": HIGH}}, chance), table, False).claims
        assert judged.verdict == verdict


def test_of_several_rows_each_must_not_be_above_the_last_or_its_own_chance() -> None:
    rows = {"c100": {"r1": LOW}, "c200": {"r1": LOW}, "c400": {"r1": HIGH}}
    table = table_with(
        {"column": "r1", "not_above": ["c100", "c200", "c400"], "within": 5.0},
        {"column": "r1", "not_above": ["c100", "c400", "c200"], "within": 5.0},
        {"column": "r1", "not_above": ["c100", "c400", "chance"], "within": 5.0},
    )
    frame = frame_of(rows)
    frame["chance"] = frame["value"]
    judged = judge.judge(frame, table, compares=False).claims
    assert [one.verdict for one in judged] == ["holds", "reversed", "holds"]
    assert judged[1].why.startswith("400 - 200 = ")
    frame.loc[frame["row"] == "c400", "chance"] = 0.3
    *_, last = judge.judge(frame, table, compares=False).claims
    assert (last.verdict, last.why[:14]) == ("reversed", "400 - chance =")


def test_the_best_of_some_rows_needs_no_others() -> None:
    table = table_with({"column": "r1", "best": "c400", "among": ["c100", "random_init"]})
    rows = {"c400": {"r1": HIGH}, "c100": {"r1": LOW}, "random_init": {"r1": LOW}}
    (judged,) = judge.judge(frame_of(rows), table, compares=False).claims
    assert judged.verdict == "holds"
    assert judged.comparison == "r1: c400, c100, random_init"


def test_a_row_without_a_value_in_a_column_is_left_out_of_it() -> None:
    table = table_with({"column": "r1", "best": "c400"})
    c100 = table.rows["c100"].model_copy(update={"not_measured": {"r1": "why"}})
    rows = {**table.rows, "c100": c100}
    table = table.model_copy(update={"rows": rows, "order": ["random_init", "rows"]})
    measured = {name: {"r1": HIGH} for name in ("c400", "c200", "c800")}
    frame = frame_of({**measured, "c100": {"fc_only": HIGH}, "random_init": {"r1": LOW}})
    judged = judge.judge(frame, table, compares=False)
    assert judged.cells["c100", "r1"].verdict == "not measured"
    assert "c100" not in str(judged.claims[0].comparison)
    (order,) = [check for check in judged.order if check.column == "r1"]
    assert order.holds
    assert len(order.steps["rows"]) == 3
    untrained = table.controls["random_init"].model_copy(update={"not_measured": {"r1": "why"}})
    table = table.model_copy(update={"controls": {"random_init": untrained}})
    del measured["c400"]
    judged = judge.judge(frame_of(measured), table, compares=False)
    assert "r1" not in {check.column for check in judged.order}, "one step is no order"


def test_only_judged_claims_are_in_the_family() -> None:
    table = table_with({"untested": "because"}, {"column": "r1", "above": ["c400", "c100"]})
    judged = judge.judge(frame_of({"c400": {"r1": HIGH}}), table, compares=False)
    assert [claim.verdict for claim in judged.claims] == ["untested", "untested"]
    assert judged.claims_family is None
    frame = frame_of({"c400": {"r1": HIGH}, "c100": {"r1": LOW}})
    frame.loc[0, "status"] = "new"
    judged = judge.judge(frame, table, compares=False)
    assert [claim.verdict for claim in judged.claims] == ["untested", "incomplete"]
    assert judged.claims_family == judge.Family(1, 0.05)


def test_compared_cells_are_a_family() -> None:
    table = table_with()
    far = [0.10, 0.11, 0.12, 0.11]
    frame = frame_of({row: {"r1": far, "fc_only": far} for row in ("c100", "c200", "c400")})
    judged = judge.judge(frame.assign(num_evaluated=3783, num_expected=3783), table, compares=True)
    assert judged.cells_family == judge.Family(6, 0.05)
    assert judge.judge(frame, table, compares=False).cells_family is None
