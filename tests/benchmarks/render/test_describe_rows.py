"""What a table says of its rows: what each was here, what it took, and what is left out."""

import re

import pytest
from fake_checkout import SMALL_TABLE, Checkout

from benchmarks.render import document_file
from benchmarks.render.document import Document

SUPERVISED = SMALL_TABLE.replace(
    "label: B, pretrain: {clusters: 100}", "label: B, pretrain: {method: supervised}"
)
METHODS = """\
methods:
  supervised: {says: [Labels are believed.], settings: {modalities: video}}
  mfcc: {says: [Nobody uses it.], settings: {silent_items: zero}}
"""


def rendered(checkout: Checkout, table: str) -> tuple[Document, str]:
    (checkout.folder / "tables" / "table2.yaml").write_text(table)
    assert checkout.run("--yes") in (0, 1)
    out = checkout.folder / "out"
    text = (out / "table2.json").read_text()
    return document_file.from_json(text), (out / "table2.md").read_text()


def test_rows_of_one_kind_are_not_described(checkout: Checkout) -> None:
    shown, text = rendered(checkout, SMALL_TABLE)
    assert shown.facts == ()
    assert "What each row was here" not in text


def test_rows_of_several_methods_are_described_with_the_encodings_of_all_phases(
    checkout: Checkout,
) -> None:
    shown, text = rendered(checkout, SUPERVISED)
    # 5 and 2 epochs of 600 items in two views
    assert [(f.row, f.system, f.encodings.in_all) for f in shown.facts] == [
        ("a", "iicl", 2 * 7 * 600),
        ("b", "supervised", 2 * 7 * 600),
    ]
    assert "## What each row was here" in text
    assert re.search(r"\| A +\| iicl +\| video: a network \| video, audio +\|", text)


def test_a_table_says_what_the_scale_changes_for_the_methods_of_its_rows(
    checkout: Checkout,
) -> None:
    scale = checkout.folder / "benchmarks" / "scales" / "smoke.yaml"
    scale.write_text(scale.read_text() + METHODS)
    shown, _ = rendered(checkout, SUPERVISED)
    assert shown.changes == ("Nothing is computed.", "Labels are believed.")
    shown, _ = rendered(checkout, SMALL_TABLE)
    assert shown.changes == ("Nothing is computed.",)


def test_what_each_row_took_is_the_mean_over_seeds_of_all_its_phases(checkout: Checkout) -> None:
    shown, _ = rendered(checkout, SMALL_TABLE)
    for cost, row in zip(shown.row_costs, "ab", strict=True):
        runs = [checkout.home.run(i) for i in checkout.home.run_ids() if i.startswith("pretrain")]
        clusters = {"a": 20, "b": 5}[row]
        of_row = [
            run
            for run in runs
            if (spec := run.spec()) is not None
            and spec["resolved"]["method"]["clusters"] in (clusters, 400)
        ]
        seconds = [result["seconds"] for run in of_row if (result := run.result()) is not None]
        assert (cost.label, cost.num_done, len(seconds)) == (row.upper(), 2, 4)
        assert 3600 * cost.hours == pytest.approx(sum(seconds) / 2)


def test_a_cell_that_is_left_out_has_no_run_and_its_reason_below(checkout: Checkout) -> None:
    text = SMALL_TABLE.replace(
        "rows:\n", "  r5: {label: R@5, protocol: nearest, metric: recall_at_5}\nrows:\n"
    )
    left_out = text.replace("label: B,", "label: B, not_measured: {r5: nobody asks},")
    shown, markdown = rendered(checkout, left_out)
    assert [cell.verdict for cell in shown.rows[1].cells] == ["not compared", "not measured"]
    assert "- R@5 of B: nobody asks." in markdown
    (line,) = [line for line in markdown.splitlines() if line.startswith("| B ")]
    assert line.rstrip(" |").endswith("–")
