"""What is compared with the paper, and what is not."""

import pandas as pd
import pytest
from fake_checkout import ROOT, Checkout

from benchmarks.results import judge
from benchmarks.results.records import per_seed
from benchmarks.spec.read_tables import find_tables


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
