"""The committed tables: the paper's numbers exactly once, and settings that exist."""

from collections.abc import Iterator
from typing import Any

import pytest
from fake_checkout import ROOT
from pydantic import TypeAdapter

from benchmarks.spec.claim import ClaimSpec
from benchmarks.spec.read_tables import find_tables, load_table
from benchmarks.spec.table import PRETRAIN_KEYS, Table
from iicl import protocols
from iicl.config import PretrainLength
from iicl.interpretations import INTERPRETATIONS
from iicl.methods.iicl.settings import Settings as IICLSettings
from iicl.pretraining import pretrain_phases
from iicl.protocols import Features

TABLES = {path.stem: load_table(path) for path in sorted((ROOT / "tables").glob("*.yaml"))}
every_table = pytest.mark.parametrize("table", TABLES.values(), ids=list(TABLES))

# Section IV of the paper, in percent: every column that describes a row, then its numbers; bold
# numbers are starred.
PAPER = {
    "table1": """
        100 | 72.6 93.1 57.6
        200 | 72.8 93.5 58.1
        400 | *73.5 *94.3 59.3
        800 | 73.2 94.1 *59.5
    """,
    "table2": """
        L_ins + L_clu | HMDB51 | *52.3 *58.3
        L_ins | HMDB51 | 49.5 56.1
        L_clu | HMDB51 | 40.2 45.7
        L_ins + L_clu | UCF101 | *74.8 *77.1
        L_ins | UCF101 | 73.5 76.7
        L_clu | UCF101 | 71.2 72.8
    """,
    "table3": """
        w L_clu | Kinetics400 | *74.5 *75.9
        w/o L_clu | Kinetics400 | 72.8 74.2
    """,
    "table4": """
        Buchler [1] | 25.7 36.2 42.2 49.2
        VCOP [38] | 14.1 30.3 40.4 51.1
        CoCLR [7] | 55.9 70.8 76.9 82.5
        Huang [39] | 41.7 57.4 66.9 76.1
        MCN [40] | 53.8 70.2 78.3 83.4
        IICL | *56.8 *73.3 *82.1 *85.3
    """,
    "table5": """
        ST-Puzzle [13] | Kinetics400 | R3D | 63.9 33.7
        SpeedNet [14] | Kinetics400 | S3D-G | 81.1 48.8
        CoCLR [7] | Kinetics400 | S3D | 90.6 62.9
        XDC [25] | Kinetics400 | R(2+1)D-18 | 86.8 52.6
        AVTS [41] | Kinetics400 | MC3-18 | 85.8 56.9
        CPD [42] | Kinetics400 | 3D-Resnet50 | 88.7 57.7
        AVID [43] | Kinetics400 | R(2+1)D-18 | 87.5 60.8
        GDT [37] | Kinetics400 | R(2+1)D-18 | 89.3 60.0
        IICL | Kinetics400 | R(2+1)D-18 | *90.8 *61.5
        AVTS [41] | AudioSet | MC3-18 | 89.0 61.6
        XDC [25] | AudioSet | R(2+1)D-18 | 93.0 63.7
        XDC [25] | IG65M | R(2+1)D-18 | 95.5 68.9
        GDT [37] | AudioSet | R(2+1)D-18 | 92.5 66.1
        GDT [37] | IG65M | R(2+1)D-18 | 95.2 *72.8
        ELO [44] | Youtube2M | R(2+1)D-50x3 | 93.8 67.4
        IICL | AudioSet | R(2+1)D-18 | 92.8 63.9
        IICL | IG65M | R(2+1)D-18 | *95.8 72.5
    """,
    "table6": """
        Ensemble [45] | 78.0
        SoundNet [46] | 88.0
        AVTS [41] | 94.0
        XDC [25] | 95.0
        IICL | *96.8
    """,
}


@pytest.mark.parametrize("name", PAPER)
def test_a_table_holds_the_papers_rows_numbers_and_bold_marks_in_order(name: str) -> None:
    table = TABLES[name]
    lines = []
    for row in table.rows.values():
        columns = [column for column in table.columns if column in row.reported]
        numbers = [f"{'*' * (c in row.bold)}{row.reported[c]:.1f}" for c in columns]
        lines.append(" | ".join([row.label, *row.about.values(), " ".join(numbers)]))
    assert lines == [line.strip() for line in PAPER[name].strip().splitlines()]


@pytest.mark.parametrize(
    ("name", "reported", "bold"),
    [
        ("table1", 12, 3),
        ("table2", 12, 4),
        ("table3", 4, 2),
        ("table4", 24, 4),
        ("table5", 34, 4),
        ("table6", 5, 1),
    ],
)
def test_the_papers_numbers_are_counted(name: str, reported: int, bold: int) -> None:
    rows = TABLES[name].rows.values()
    assert sum(len(row.reported) for row in rows) == reported
    assert sum(len(row.bold) for row in rows) == bold


def test_only_the_six_tables_report_numbers() -> None:
    assert [table.name for table in find_tables(ROOT / "tables", ["all"])] == list(PAPER)
    for name in TABLES.keys() - PAPER.keys():
        assert not any(row.reported for row in TABLES[name].rows.values())


@pytest.mark.parametrize(
    ("name", "runs"),
    [
        ("table1", ["c100", "c200", "c400", "c800"]),
        ("table4", ["vcop", "iicl"]),
        (
            "table5",
            [
                *("st_puzzle", "speednet", "xdc_kinetics400", "avts_kinetics400", "avid"),
                *("gdt_kinetics400", "iicl_kinetics400", "avts_audioset", "xdc_audioset"),
                *("gdt_audioset", "iicl_audioset"),
            ],
        ),
        ("table6", ["avts", "xdc", "iicl"]),
    ],
)
def test_rows_run_or_are_cited_or_lack_their_data(name: str, runs: list[str]) -> None:
    rows = TABLES[name].rows
    assert [r for r, row in rows.items() if row.runs] == runs
    assert [r for r, row in rows.items() if row.unavailable] == (
        ["xdc_ig65m", "gdt_ig65m", "iicl_ig65m"] if name == "table5" else []
    )
    assert not any(row.cited for row in rows.values() if row.label == "IICL")


@every_table
def test_claims_compare_rows_with_numbers_or_runs(table: Table) -> None:
    for claim in table.claims:
        for name in claim.names:
            row = table.all_rows[name]
            assert row.runs or claim.column in row.reported
            assert claim.among is None or row.runs
        if claim.best is not None:
            assert table.rivals(claim.best)


# The one claim of the paper that is about unlike things: a head at once, and no method at all.
MEANT_TO_BE_UNLIKE = "the cluster head assigns items online, better than k-means on untrained"


@every_table
def test_a_claim_about_unlike_measurements_has_one_of_like_with_like_beside_it(
    table: Table,
) -> None:
    def measured(claim: ClaimSpec, column: str) -> set[str]:
        name = table.columns[column].protocol
        return {
            repr(sorted({**table.protocols[name].settings, **row.evaluate.get(name, {})}.items()))
            for row in (table.all_rows[name] for name in table.compared(claim))
            if row.runs
        }

    for claim in table.claims:
        if claim.column is None or claim.says.startswith(MEANT_TO_BE_UNLIKE):
            continue
        if claim.beside is not None:
            assert len(measured(claim, claim.beside)) == 1, claim
            assert table.columns[claim.beside].reading_of in (claim.column, None)
        else:
            assert len(measured(claim, claim.column)) == 1, claim


def test_every_bold_mark_is_a_claim() -> None:
    for table in TABLES.values():
        claimed = {(claim.best, claim.column) for claim in table.claims}
        assert {(r, c) for r, row in table.rows.items() for c in row.bold} <= claimed


@every_table
def test_repeats_name_cells_that_are_there(table: Table) -> None:
    for repeat in table.paper.repeats:
        other = TABLES[f"table{repeat.table}"]
        assert repeat.with_column in other.rows[repeat.with_row].reported


def cells(table: Table) -> Iterator[tuple[str, str, protocols.Protocol, IICLSettings | None]]:
    """Row, metric, resolved protocol, and the settings that its pretraining ends with."""
    adapter: TypeAdapter[Any] = TypeAdapter(protocols.Stage)
    for name, row in table.all_rows.items():
        for column in table.columns.values() if row.runs else ():
            protocol = table.protocols[column.protocol]
            own = {"stage": protocol.stage, "corpus": table.corpus(name, column.protocol)}
            settings = {**protocol.settings, **row.evaluate.get(column.protocol, {}), **own}
            stage = adapter.validate_python({**settings, "fold": protocol.folds[0], "seed": 0})
            for wanted in stage.needs().values():
                if wanted is not None:
                    Features(**{**protocol.features, **wanted, "corpus": own["corpus"], "seed": 0})
            flat = table.pretrain(name, column.protocol)
            own_settings = {k: v for k, v in flat.items() if k not in PRETRAIN_KEYS}
            method = {"name": flat["method"], **own_settings}
            shared = {k: v for k, v in flat.items() if k in PRETRAIN_KEYS}
            last = pretrain_phases(PretrainLength(), **{**shared, "method": method, "seed": 0})[-1]
            yield (
                name,
                column.metric,
                stage,
                last.method if isinstance(last.method, IICLSettings) else None,
            )


@every_table
def test_protocols_resolve_and_have_their_metrics(table: Table) -> None:
    for row, metric, stage, _ in cells(table):
        assert metric in stage.metrics(), (row, stage)


@every_table
def test_no_row_is_measured_in_a_space_that_its_pretraining_does_not_build(table: Table) -> None:
    for row, _, stage, method in cells(table):
        built = {"f"}
        if method is not None and method.objective != "cluster" and method.instance_space == "z":
            built.add("z")
        if method is not None and method.objective != "instance":
            built.add("y")
        assert getattr(stage, "space", "f") in built, row


@pytest.mark.parametrize("row", TABLES["table2"].all_rows)
def test_rows_of_a_block_are_clustered_into_as_many_clusters(row: str) -> None:
    """The scores of Table II grow with the number of clusters."""
    table = TABLES["table2"]
    classes = {"hmdb51": 51, "ucf101": 101}[table.corpus(row, "head")]
    found = {}
    for name, protocol in table.protocols.items():
        settings = {**protocol.settings, **table.all_rows[row].evaluate.get(name, {})}
        if settings["assign"] == "argmax":
            found[name] = table.pretrain(row, name)["clusters"]
        else:
            found[name] = settings.get("num_clusters", classes)
    assert found == {"head": classes, "votes": 400, "kmeans": classes, "kmeans_z": classes}


def phases(table: Table, row: str) -> str:
    """The resolved pretraining of a row."""
    flat = {**table.pretrain(row), "seed": 0}
    method = {k: v for k, v in flat.items() if k not in PRETRAIN_KEYS and k != "seed"}
    rest = {k: v for k, v in flat.items() if k not in method and k != "method"}
    return repr(
        pretrain_phases(PretrainLength(), **rest, method={"name": flat["method"], **method})
    )


def test_interpretations_change_one_choice_and_cite_an_entry() -> None:
    table = TABLES["interpretations"]
    numbers = {entry.number for entry in INTERPRETATIONS}
    rows = {name: row for name, row in table.rows.items() if name != "ours"}
    made = {
        name: (phases(table, name), repr(row.evaluate), repr(row.clip))
        for name, row in table.rows.items()
    }
    assert len(set(made.values())) == len(made), "two rows would show the same runs twice"
    for name, row in rows.items():
        assert len(set(row.pretrain) - {"objective"}) + len(row.clip) <= 1
        assert row.pretrain or row.evaluate or row.clip
        _, bracket, cited = row.label.rstrip("]").rpartition("[")
        assert not bracket or int(cited) in numbers, name
