"""A part of a table: what is run of it, what is judged of it, and where it goes."""

from pathlib import Path

import fake_stages
import pytest
from fake_checkout import ROOT, Checkout

from benchmarks import run
from benchmarks.launch import request
from benchmarks.render import document_file
from benchmarks.spec.part import LEFT_OUT, part
from benchmarks.spec.read_tables import load_table
from benchmarks.spec.table import Table

TABLES = [load_table(path) for path in sorted((ROOT / "tables").glob("*.yaml"))]


@pytest.fixture
def table1() -> Table:
    return load_table(ROOT / "tables" / "table1.yaml")


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_all_rows_and_columns_are_the_whole_table(table: Table) -> None:
    same = part(table, list(table.all_rows), list(table.columns))
    assert same.model_dump() == table.model_dump()


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_row_that_runs_is_a_part(table: Table) -> None:
    for name, row in table.all_rows.items():
        if row.runs:
            assert list(part(table, [name], None).all_rows) == [name]
        else:
            with pytest.raises(ValueError, match=f"--rows {name}: nobody here runs"):
                part(table, [name], None)


def test_rows_and_columns_keep_the_order_of_the_file(table1: Table) -> None:
    small = part(table1, ["supervised", "c400", "c100"], ["r1", "fc_only"])
    assert list(small.rows) == ["c100", "c400"]
    assert list(small.controls) == ["supervised"]
    assert list(small.columns) == ["fc_only", "r1"]
    assert set(small.protocols) == {"fc_only", "retrieval"}
    assert small.rows["c400"].bold == ["fc_only"]
    assert small.part == (
        "This is a part of the table: 3 of 7 rows (100, 400, supervised) and 2 of 3 columns"
        " (fc-only, R@1)."
    )
    assert table1.part is None


def test_a_claim_is_judged_only_with_all_that_it_compares(table1: Table) -> None:
    best = {claim.says: claim for claim in table1.claims}["C = 800 is best in retrieval"]
    with_rivals = part(table1, ["c100", "c200", "c400", "c800"], ["r1"])
    assert best in with_rivals.claims
    for rows, columns in ((["c400", "c800"], ["r1"]), (None, ["fc_only"])):
        (same,) = [c for c in part(table1, rows, columns).claims if c.says == best.says]
        column = "r1" if columns == ["r1"] else None
        assert (same.untested, same.column, same.best) == (LEFT_OUT, column, None)
    left_out = [c.says for c in part(table1, ["c100"], ["r1"]).claims if c.untested == LEFT_OUT]
    assert len(left_out) == 8  # two pairs of the 10 differ in nothing but a column left out
    assert set(left_out) == {claim.says for claim in table1.claims if claim.untested is None}


def test_a_claim_that_names_its_rows_needs_no_other(tmp_path: Path) -> None:
    path = tmp_path / "table1.yaml"
    text = (ROOT / "tables" / "table1.yaml").read_text()
    above = "claims:\n  - {says: 400 above 100, where: there, column: r1, above: [c400, c100]}\n"
    path.write_text(text.replace("claims:\n", above))
    table = load_table(path)
    assert part(table, ["c100", "c400"], ["r1"]).claims[0] == table.claims[0]
    assert part(table, ["c200", "c400"], ["r1"]).claims[0].untested == LEFT_OUT


def test_a_claim_needs_its_comparison_of_like_with_like() -> None:
    table = load_table(ROOT / "tables" / "table2.yaml")
    (claim,) = [
        claim
        for claim in table.claims
        if claim.above == ["both_ucf101", "instance_ucf101"] and claim.column == "nmi"
    ]
    assert claim in part(table, None, ["nmi", "nmi_kmeans_z"]).claims
    small = part(table, None, ["nmi"])
    (same,) = [c for c in small.claims if c.says == claim.says and c.column == "nmi"]
    assert (same.untested, same.beside, same.above) == (LEFT_OUT, None, None)


def test_the_order_of_the_controls_needs_each_of_them(table1: Table) -> None:
    assert part(table1, ["c100", "random_init"], None).order == []
    assert part(table1, ["c100", "random_init", "supervised"], None).order == table1.order


def test_the_figure_needs_its_row() -> None:
    figure3 = next(table for table in TABLES if table.figure is not None)
    assert figure3.figure is not None
    others = [n for n, row in figure3.all_rows.items() if row.runs and n != figure3.figure.row]
    assert part(figure3, others, None).figure is None
    assert part(figure3, [figure3.figure.row], None).figure == figure3.figure


@pytest.mark.parametrize(
    ("rows", "columns", "message"),
    [
        (["c100", "c300"], None, "--rows: unknown 'c300'; legal: c100, c200, c400, c800, without"),
        (None, ["r5"], "--columns: unknown 'r5'; legal: fc_only, finetune, r1"),
        (["c100", "c100"], None, "--rows: 'c100' is named twice"),
    ],
)
def test_wrong_names_are_refused_with_the_legal_ones(
    table1: Table, rows: list[str] | None, columns: list[str] | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        part(table1, rows, columns)


def test_a_column_that_reads_another_needs_it() -> None:
    table = load_table(ROOT / "tables" / "table3.yaml")
    with pytest.raises(ValueError, match="--columns v2a_all: it reads the values of v2a"):
        part(table, None, ["v2a_all"])


def test_a_part_runs_what_it_needs_and_replaces_no_table(checkout: Checkout) -> None:
    out = checkout.folder / "part"
    assert checkout.run("--yes", "--rows", "b", "--out", str(out)) == 0
    assert len([i for i in checkout.home.run_ids() if i.startswith("retrieval")]) == 2  # 2 seeds
    shown = document_file.from_json((out / "table2.json").read_text())
    assert [row.name for row in shown.rows if row.kind == "paper"] == ["b"]
    assert shown.part is not None
    assert shown.part in (out / "table2.md").read_text()
    assert shown.part in document_file.to_json(shown)


def test_a_repeated_option_adds_its_names(checkout: Checkout) -> None:
    assert checkout.run("--yes", "--rows", "a", "--rows", "b") == 0
    shown = document_file.from_json((checkout.folder / "out" / "table2.json").read_text())
    assert [row.name for row in shown.rows if row.kind == "paper"] == ["a", "b"]


def test_controls_alone_are_shown_with_chance(checkout: Checkout) -> None:
    table = checkout.folder / "tables" / "table2.yaml"
    control = "controls:\n  untrained: {label: untrained, pretrain: {method: random_init}}\n"
    table.write_text(table.read_text() + control)
    assert checkout.run("--yes", "--rows", "untrained") == 0
    shown = document_file.from_json((checkout.folder / "out" / "table2.json").read_text())
    assert [row.kind for row in shown.rows] == ["chance", "control"]


def test_what_rests_on_a_forced_run_of_a_part_is_moved_aside_too(checkout: Checkout) -> None:
    assert checkout.run("--yes") == 0
    assert checkout.run("--yes", "--rows", "b", "--force", "all") == 0
    runs = [checkout.home.run(run_id) for run_id in checkout.home.run_ids()]
    assert {run.state() for run in runs} == {"done"}
    assert checkout.run("--yes") == 0  # row a, which shares a pretraining with b, is made again
    assert len([i for i in checkout.home.run_ids() if i.startswith("retrieval")]) == 4


def test_a_part_goes_to_the_home(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    def launch(*arguments: str) -> int:
        argv = ["--table", "II", "--scale", "smoke", "--cluster", "inline", "--yes"]
        argv += ["--home", str(checkout.home.root), *arguments]
        return run.main(argv, stages=fake_stages, folder=checkout.folder)

    assert launch("--rows", "b", "--columns", "r1") == 0
    assert (checkout.home.root / "tables" / "smoke-rows.b-columns.r1" / "table2.md").is_file()
    assert not (checkout.folder / "tables" / "smoke").exists()
    assert launch("--rows", "a", "b") == 0
    assert (checkout.home.root / "tables" / "smoke-rows.a.b" / "table2.md").is_file()
    assert not (checkout.folder / "tables" / "smoke").exists()
    assert launch() == 0
    assert (checkout.folder / "tables" / "smoke" / "table2.md").is_file()
    assert launch("--rows", "c") == 2
    assert "--rows: unknown 'c'; legal: a, b" in capsys.readouterr().err


def test_a_part_is_of_one_table(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    assert checkout.run("--rows", "a", table="all") == 2
    assert "--rows and --columns take one table, got 2" in capsys.readouterr().err


def test_the_name_of_a_long_part_is_short(checkout: Checkout) -> None:
    names = [f"a_row_with_a_long_name_{number}" for number in range(20)]
    tag = request._tag("rows", names)
    assert tag.startswith("rows.20.")
    assert len(tag) <= request.LONGEST_TAG
    assert tag != request._tag("rows", [*names[:-1], "another"])
    assert request._tag("rows", ["b", "a"]) == "rows.a.b"


def test_a_part_without_any_cell_is_refused() -> None:
    compared = load_table(ROOT / "tables" / "compared.yaml")
    with pytest.raises(ValueError, match="--columns dcase: none of these rows has a value there"):
        part(compared, ["vcop", "speednet"], ["dcase"])
    small = part(compared, ["vcop", "iicl"], ["dcase", "r1"])
    assert small.rows["vcop"].not_measured.keys() == {"dcase"}
    assert part(compared, ["vcop"], ["r1"]).rows["vcop"].not_measured == {}
