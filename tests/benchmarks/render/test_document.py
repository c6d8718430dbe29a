"""Documents: written and read back without loss, composed from runs."""

import dataclasses
import json
import math

import pytest
from fake_checkout import Checkout
from sample_documents import measured, over_an_axis, sample

from benchmarks.render import document, document_file, evidence


@pytest.mark.parametrize("shown", [sample(), over_an_axis()], ids=["blocks", "axis"])
def test_json_gives_back_an_equal_document(shown: document.Document) -> None:
    text = document_file.to_json(shown)
    assert document_file.from_json(text) == shown
    assert document_file.to_json(document_file.from_json(text)) == text


def test_awkward_numbers_survive_and_those_that_are_none_are_refused() -> None:
    shown = sample()
    first = dataclasses.replace(
        shown.rows[0], cells=(measured(0.1 + 0.2), *shown.rows[0].cells[1:])
    )
    odd = dataclasses.replace(shown, rows=(first, *shown.rows[1:]))
    assert document_file.from_json(document_file.to_json(odd)).rows[0].cells[0].mean == 0.1 + 0.2
    first = dataclasses.replace(first, cells=(measured(math.nan), *first.cells[1:]))
    with pytest.raises(ValueError, match="JSON compliant"):
        document_file.to_json(dataclasses.replace(shown, rows=(first,)))


@pytest.mark.parametrize("change", [{"rows": "none"}, {"heading": None}, {"seeds": [0.5]}])
def test_what_is_no_document_is_refused(change: dict[str, object]) -> None:
    data = json.loads(document_file.to_json(sample())) | change
    with pytest.raises(ValueError, match=next(iter(change))):
        document_file.from_json(json.dumps(data))


@pytest.mark.parametrize("num_records", [1, 2, 199, 200, 201, 5000])
def test_a_curve_is_thinned_and_keeps_its_ends(num_records: int) -> None:
    records = [
        {"step": 3 * i, "rate_0": 0.1, "total": 1 / (i + 1), "cluster_video": 2.0}
        for i in range(num_records)
    ]
    curve = evidence.curve(["A"], "training", 0, records)
    assert len(curve.steps) == min(num_records, evidence.MAX_CURVE_POINTS)
    assert (curve.steps[0], curve.steps[-1]) == (0, 3 * (num_records - 1))
    assert list(curve.terms) == ["total", "cluster_video"]
    for step, value in zip(curve.steps, curve.terms["total"], strict=True):
        assert value == pytest.approx(1 / (step / 3 + 1), rel=1e-3)


def test_rows_that_share_a_pretraining_share_its_curve(checkout: Checkout) -> None:
    assert checkout.run("--yes") == 0
    for run in checkout.home.run_ids():
        if run.startswith("pretrain"):
            line = json.dumps({"step": 0, "total": 2.0})
            (checkout.home.run(run).files / "metrics.jsonl").write_text(f"{line}\n")
    assert checkout.run("--collect") == 0
    shown = document_file.from_json((checkout.folder / "out" / "table2.json").read_text())
    curves = [(curve.rows, curve.phase, curve.seed) for curve in shown.curves]
    assert sorted(curves) == [
        (("A",), "co_training", 0),
        (("A", "B"), "initialisation", 0),
        (("B",), "co_training", 0),
    ]


def test_the_document_counts_its_own_table_s_runs(checkout: Checkout) -> None:
    tables = checkout.folder / "tables"
    one = (tables / "table2.yaml").read_text().replace("table: 2", "table: 3")
    (tables / "table3.yaml").write_text(
        "".join(li for li in one.splitlines(True) if "  b:" not in li)
    )
    (tables / "table1.yaml").unlink()
    assert checkout.run("--yes", table="all") == 0
    out = checkout.folder / "out"
    two = document_file.from_json((out / "table2.json").read_text())
    assert (two.num_runs, two.num_unshared) == (14, 16)
    assert [cost.num_runs for cost in two.costs] == [6, 4, 4]
    three = document_file.from_json((out / "table3.json").read_text())
    assert (three.num_runs, three.num_unshared) == (8, 8)
    for row in (*two.rows, *three.rows):
        for cell in row.cells:
            if row.kind == "paper":
                assert len(cell.values) == 2
                assert cell.mean == pytest.approx(sum(cell.values) / 2)


def test_cells_without_a_run_are_incomplete(checkout: Checkout) -> None:
    assert checkout.run("--collect") == 3
    shown = document_file.from_json((checkout.folder / "out" / "table2.json").read_text())
    cells = [cell for row in shown.rows for cell in row.cells]
    assert {(cell.verdict, cell.mean, cell.values) for cell in cells} == {("incomplete", None, ())}
    assert [row.kind for row in shown.rows] == ["paper", "paper"]  # no run, no chance level
    assert shown.provenance == ("no run has finished",)


def test_a_table_says_whose_gradients_were_added_up_in_float32(checkout: Checkout) -> None:
    path = checkout.folder / "tables" / "table2.yaml"

    def provenance() -> list[str]:
        assert checkout.run("--yes") == 0
        shown = document_file.from_json((checkout.folder / "out" / "table2.json").read_text())
        return [line for line in shown.provenance if "float32" in line]

    assert provenance() == []
    rounded = "optimisation: {gradient_exchange: float32}"
    path.write_text(path.read_text().replace("{clusters: 100}", f"{{clusters: 100, {rounded}}}"))
    (line,) = provenance()
    # Of row B both phases, of row A both: one for each of two seeds.
    assert line.startswith("4 of 8 pretrainings add up the gradients of their ranks in float32")
    assert line in (checkout.folder / "out" / "table2.md").read_text()
