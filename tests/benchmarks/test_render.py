"""The rendered table of recorded results, byte for byte, and what a deviation does to it."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_checkout import Checkout

from benchmarks import collect
from benchmarks.tables import find_tables

GOLDEN = Path(__file__).parent / "golden" / "table1.md"


def test_the_document_is_the_recorded_one(
    checkout: Checkout, fixed_provenance: Callable[[int], dict[str, object]]
) -> None:
    """To record it anew, copy the file that a failing run names and read the difference."""
    assert checkout.run("--yes", table="I") in (0, 1)
    out = checkout.folder / "out"
    assert (out / "table1.md").read_text() == GOLDEN.read_text(), out / "table1.md"
    with (out / "table1.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 6 * 3 * 3  # rows and controls x columns x seeds
    assert {line["status"] for line in lines} == {"done"}
    assert len({line["run"] for line in lines}) == len(lines)
    first = (out / "table1.png").read_bytes()
    assert checkout.run("--collect", table="I") in (0, 1)
    assert (out / "table1.png").read_bytes() == first


@pytest.fixture
def paper_scale(checkout: Checkout) -> Checkout:
    """The paper's scale as far as judging goes: absolute numbers are compared."""
    checkout.scale("paper")
    return checkout


def test_absolute_numbers_are_compared_at_the_paper_scale_only(
    paper_scale: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    assert paper_scale.run("--yes", "--scale", "paper") == 1  # 50 and 40 are reported, not made
    text = (paper_scale.folder / "out" / "table2.md").read_text()
    assert "above" in text
    assert "not compared at this scale" not in text
    assert paper_scale.run("--yes") == 0
    text = (paper_scale.folder / "out" / "table2.md").read_text()
    assert "above" not in text
    assert "not compared at this scale" in text


def test_other_clips_in_a_corpus_s_place_are_not_compared(
    paper_scale: Checkout, tmp_path: Path
) -> None:
    copy = tmp_path / "clips"
    copy.mkdir()
    for number in range(3):
        (copy / f"{number}.mp4").touch()
    given = ["--data", f"ucf101={copy}", "--scale", "paper"]
    assert paper_scale.run("--yes", *given) == 0
    text = (paper_scale.folder / "out" / "table2.md").read_text()
    assert "not compared**: other clips stood in for ucf101" in text
    assert "above" not in text
    (copy / "official").touch()
    assert paper_scale.run("--yes", *given) == 1
    assert "above" in (paper_scale.folder / "out" / "table2.md").read_text()


@pytest.mark.parametrize("cited", ["a", "b"])
def test_a_claim_needs_two_rows_that_run(checkout: Checkout, cited: str) -> None:
    table = checkout.folder / "tables" / "table2.yaml"
    text = table.read_text().replace(f"  {cited}: {{", f"  {cited}: {{cited: true, ")
    table.write_text(
        text + "claims:\n  - {says: A is best, where: IV, column: r1, best: a}\n"
        "  - {says: they differ, where: IV, column: r1, differ: true}\n"
    )
    assert checkout.run("--yes") == 0
    text = (checkout.folder / "out" / "table2.md").read_text()
    assert text.count("| untested") == 2
    assert text.count("nobody here runs two rows") == (1 if cited == "a" else 2)


def test_rows_that_nobody_runs_stand_in_their_place(checkout: Checkout) -> None:
    table = checkout.folder / "tables" / "table2.yaml"
    table.write_text(
        table.read_text().replace(
            "  b: {label: B",
            "  c: {label: C, reported: {r1: 70.0}, bold: [r1], cited: true}\n"
            "  d: {label: D, reported: {r1: 60.0}, unavailable: the data is not public}\n"
            "  b: {label: B",
        )
    )
    assert checkout.run("--yes") == 0
    text = (checkout.folder / "out" / "table2.md").read_text()
    rows = [line.split("|")[1:4] for line in text.splitlines() if line.startswith("| ")]
    cells = {row[0].strip(): (row[1].strip(), row[2].strip()) for row in rows}
    assert list(cells)[1:5] == ["A", "C", "D", "B"]
    assert cells["C"] == ("**70.0**", "cited")
    assert cells["D"] == ("60.0", "cannot run")
    assert "D: the data is not public" in text


def test_an_oracle_is_never_compared_and_a_seed_is_the_mean_of_its_folds() -> None:
    import pandas as pd

    (table,) = find_tables(Path(__file__).parents[2] / "tables", ["I"])
    lines = [
        {"row": "c400", "group": "paper", "block": None, "column": "r1", "seed": seed, "fold": fold,
         "status": "done", "value": 0.1 * fold + 0.01 * seed, "chance": 0.01, "selection": "oracle",
         "num_evaluated": 3783, "num_expected": 3783}
        for seed in (0, 1) for fold in (1, 2, 3)
    ]  # fmt: skip
    frame = pd.DataFrame(lines)
    table = table.model_copy(update={"claims": [], "order": []})
    values = collect.per_seed(frame, "c400", "r1")
    assert values == {0: pytest.approx(20.0), 1: pytest.approx(21.0)}
    cell = collect.judge(frame, table, compares=True).cells["c400", "r1"]
    assert cell.verdict == "not compared"
    frame["selection"] = "last"
    assert collect.judge(frame, table, compares=True).cells["c400", "r1"].verdict == "below"
    assert collect.judge(frame, table, compares=False).cells["c400", "r1"].verdict == "not compared"
    frame.loc[0, "num_evaluated"] = 3700
    assert collect.judge(frame, table, compares=True).cells["c400", "r1"].verdict == "not compared"
    frame.loc[0, "value"] = None
    assert set(collect.per_seed(frame, "c400", "r1")) == {1}
    frame["selection"], frame["status"] = "last", "stale"
    assert collect.judge(frame, table, compares=True).cells["c400", "r1"].verdict == "stale"
