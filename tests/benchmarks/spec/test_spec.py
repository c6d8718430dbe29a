"""Table and scale files: what is refused, and where the error points."""

from pathlib import Path

import fake_stages
import pytest
from fake_checkout import GENERATE, ROOT, SMALL_TABLE, Checkout

from benchmarks.plan import builder, corpora
from benchmarks.spec.read_tables import find_tables, load_table
from benchmarks.spec.scale import load_scale
from benchmarks.store.home import Home
from slurm.strict_yaml import SpecError

TABLES = sorted((ROOT / "tables").glob("*.yaml"))
SCALES = sorted((ROOT / "benchmarks" / "scales").glob("*.yaml"))

GENERATED = f"ucf101: {{generate: {GENERATE}"
STORE = (
    "store: {video_bytes_per_second: 1, prepare_seconds_per_second: 1,"
    " decode_seconds_per_clip: 1, origin: x}\n"
)

# What is replaced in the small table, by what; the line that the error names, and what it says.
BAD_TABLES = [
    (
        "  a: {label: A,",
        "  a: {label: A, colour: red,",
        12,
        "unknown key 'rows.a.colour'; known",
    ),
    ("  b: {label: B,", "  a: {label: B,", 13, "duplicate key 'a', first on line 12"),
    ("{r1: 40.0}", "{r1: 140.0}", 13, "rows.b.reported.r1 is 140.0"),
    ("{r1: 40.0}", "{r2: 40.0}", 13, "unknown 'r2'; known: r1"),
    ("{r1: 40.0}", "{r1: yes}", 13, "rows.b.reported.r1 is 'yes'"),
    ("tolerance: 1.0", "tolerance: on", 10, "columns.r1.tolerance is 'on'"),
    ("stage: retrieval", "stage: guess", 8, "unknown stage 'guess'; known: pretrain"),
    ("protocol: nearest", "protocol: far", 10, "unknown 'far'; known: nearest"),
    ("1}\ncol", "1, settings: {rank: 1}}\ncol", 8, "rank is 1: unknown setting"),
    ("1}\ncol", "1, features: {num_clips: 0}}\ncol", 8, "num_clips is 0"),
    ("  b: {label: B,", "  b: {label: B, evaluate: {nearest: {space: q}},", 13, "space is 'q'"),
    ("  b: {label: B,", "  b: {label: B, evaluate: {far: {}},", 13, "unknown 'far'; known"),
    ("  b: {label: B,", "  b: {label: B, corpus: hmdb51,", 13, "no corpus 'hmdb51' at"),
    ("tolerance: 1.0, ", "", 10, "a column with reported values needs a tolerance"),
    ("tolerance: 1.0, ", "tolerance: 1.0, reading_of: r2, ", 10, "unknown 'r2'; known: r1"),
    ("tolerance: 1.0, ", "tolerance: 1.0, reading_of: r1, ", 10, "it has no own numbers"),
    (
        "columns:",
        "  far: {stage: linear, corpus: ucf101, fold: 1}\ncolumns:",
        9,
        "no column uses",
    ),
    ("rows:", "order: [chance, rows, nobody]\nrows:", 11, "unknown 'nobody'; known: chance"),
    ("rows:", "figure: {row: c, protocol: nearest}\nrows:", 11, "unknown 'c'; known: a, b"),
    (
        "{section: IV}",
        "{section: IV, repeats: [{row: a, column: r2, table: 1, with_row: c,"
        " with_column: r1, says: x}]}",
        3,
        "'a' has no reported 'r2'",
    ),
    ("clusters: 100}", "clusters: 400}", 13, "clusters: 400 overrides nothing"),
    (
        "clusters: 100}",
        "clusters: 300}",
        13,
        "has no value at scale smoke (100, 200, 400, 800)",
    ),
    ("clusters: 100}", "cluster: 100}", 13, "method.cluster is 100: unknown setting"),
    ("clusters: 100}", "lambda: &x 1}", 13, "anchors and aliases are not allowed"),
    ("method: iicl", "method: magic", 6, "'magic'"),
    ("corpus: audioset", "corpus: hmdb51", 6, "no corpus 'hmdb51' at this scale; known"),
    ("title: Two rows\n", "", 1, "title is missing"),
    ("table: 2", "table: 3", 1, "table is 3, but the file is table2.yaml"),
    ("table: 2", "table: two", 1, "a table without a number needs a label"),
    ("seeds: [0, 1]", "seeds: [0, -1]", 5, "defaults.seeds.1 is -1"),
    ("B, pretrain", "B, bold: [r1], cited: [], pretrain", 13, "rows.b.cited is []"),
    ("rows:", "rows: [", 13, "expected"),
    ("title: Two", "title: \0Two", 2, "control character '\\x00' is not allowed"),
    ("seeds: [0, 1]", "seeds: [0, 1, 0]", 5, "seeds [0, 1, 0]: a seed repeats"),
    ("fold: 1", "fold: [1, 1]", 8, "fold [1, 1]: a fold repeats"),
    (
        "metric: recall_at_1",
        "metric: recall_at_2",
        10,
        "retrieval has no metric 'recall_at_2'; it has: recall_at_1, recall_at_5",
    ),
    ("metric: recall_at_1", "metric: top1", 10, "retrieval has no metric 'top1'"),
    ("corpus: audioset", "corpus: [audioset]", 6, "corpus is ['audioset']: a name"),
    ("clusters: 100}", "clusters: [100]}", 13, "clusters: [100] has no value at scale smoke"),
    ("rows:", "axis: {setting: colour, label: c}\nrows:", 11, "no row has the setting"),
    ("tolerance: 1.0, ", "tolerance: 1.0, num_groups: 3, ", 10, "need each other"),
    ("num_test: 3783", "num_groups: 3, group_correlation: 0.4", 10, "num_groups needs num_test"),
    (
        "num_test: 3783",
        "num_test: 2, num_groups: 3, group_correlation: 0.4",
        10,
        "num_groups is 3: more than the test items",
    ),
    ("  b: {label: B,", "  chance: {label: B,", 13, "'chance' has a meaning of its own"),
    ("rows:", "axis: {setting: corpus, label: c}\nrows:", 6, "the plot's axis needs a whole"),
]


@pytest.mark.parametrize("scale", SCALES, ids=lambda p: p.stem)
@pytest.mark.parametrize("table", TABLES, ids=lambda p: p.stem)
def test_every_table_can_be_planned_at_every_scale(
    table: Path, scale: Path, tmp_path: Path
) -> None:
    home = Home(tmp_path)
    loaded_scale, loaded = load_scale(scale), load_table(table)
    made = builder.make(
        [loaded],
        loaded_scale,
        seeds=None,
        precision="bf16",
        corpora=corpora.resolve(loaded_scale, {}, home, fake_stages, ROOT),
        home=home,
        stages=fake_stages,
        code=ROOT,
    )
    rows = [row for row in loaded.all_rows.values() if row.runs]
    folds = sum(len(loaded.protocol(column).folds) for column in loaded.columns)
    left_out = sum(
        len(loaded.protocol(column).folds) for row in rows for column in row.not_measured
    )
    num_seeds = len(loaded.defaults.seeds)
    assert len(made.cells) == (len(rows) * folds - left_out) * num_seeds
    assert len(made.of(loaded)) == len(made.runs) <= made.num_unshared(loaded)
    seen: set[str] = set()
    for run in made.runs.values():
        assert seen.issuperset(run.upstream.values()), "a run precedes what it waits for"
        seen.add(run.id)


def test_table_1_holds_the_papers_numbers() -> None:
    table = load_table(ROOT / "tables" / "table1.yaml")
    assert [list(row.reported.values()) for row in table.rows.values()] == [
        [72.6, 93.1, 57.6],
        [72.8, 93.5, 58.1],
        [73.5, 94.3, 59.3],
        [73.2, 94.1, 59.5],
    ]
    assert {name: row.bold for name, row in table.rows.items() if row.bold} == {
        "c400": ["fc_only", "finetune"],
        "c800": ["r1"],
    }


@pytest.mark.parametrize(("old", "new", "line", "message"), BAD_TABLES)
def test_an_error_names_file_line_and_value(
    checkout: Checkout,
    capsys: pytest.CaptureFixture[str],
    old: str,
    new: str,
    line: int,
    message: str,
) -> None:
    assert SMALL_TABLE.count(old) == 1
    path = checkout.folder / "tables" / "table2.yaml"
    path.write_text(SMALL_TABLE.replace(old, new))
    assert checkout.run("--dry-run") == 2
    error = capsys.readouterr().err
    where, _, said = error.removeprefix("error: ").partition(": ")
    assert message in said
    assert where == f"{path}:{line}"
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("num_frames: 8", "num_frame: 8", 8, "clip.num_frame is 8: unknown setting"),
        ("num_clips: 4}\n  fine", "num_clips: -4}\n  fine", 11, "num_clips is -4"),
        ("features: {", "feature: {", 11, "unknown stage 'feature'; known: pretrain"),
        ("unit: CPU core", "unit: abacus", 3, "device.unit is 'abacus'"),
        ("scale: smoke", "scale: other", 1, "scale is 'other', but the file is smoke.yaml"),
        ("1/test: 480}}", "1/test: 480}, same_as: audioset}", 7, "not both"),
        (
            "initialisation: 5",
            "initialization: 5",
            10,
            "initialization is 5: unknown setting",
        ),
        ("1/test: 480}}", "1/best: 480}}", 7, "a table needs 1/test, not counted here"),
        (f"  {GENERATED}", "  ucf101: {same_as: ucf101", 7, "back to itself"),
        (GENERATED, GENERATED.replace("run", "-1"), 7, "the word run is expected"),
        (GENERATED, GENERATED.replace("run", "ran"), 7, "the word run is expected"),
        (GENERATED, GENERATED.replace("1080", "0"), 7, "items is 0"),
        (GENERATED, "ucf101: {generate: {seed: 0}", 7, "is missing"),
        ("1/test: 480}}", "1/test: 480}, seconds_per_item: {smell: 1}}", 7, "smell"),
        ("  features: {", "  features: {clip: {size: 8}, ", 11, "clip holds for all stages alike"),
        ("clip: {", "store: {origin: x}\nclip: {", 8, "store.video_bytes_per_second is missing"),
        ("clip: {", STORE + "clip: {", 6, "seconds_per_item is missing"),
        ("clip: {", STORE.replace("1", "0") + "clip: {", 8, "is 0: Input should be greater"),
    ],
)
def test_an_error_in_a_scale_names_file_line_and_value(
    checkout: Checkout,
    capsys: pytest.CaptureFixture[str],
    old: str,
    new: str,
    line: int,
    message: str,
) -> None:
    path = checkout.folder / "benchmarks" / "scales" / "smoke.yaml"
    assert path.read_text().count(old) == 1
    path.write_text(path.read_text().replace(old, new))
    assert checkout.run("--dry-run") == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {path}:{line}: ")
    assert message in error


def test_a_file_in_another_encoding_is_named(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    path = checkout.folder / "tables" / "table2.yaml"
    path.write_bytes(SMALL_TABLE.replace("Two rows", "Zwölf Reihen").encode("latin-1"))
    assert checkout.run("--dry-run") == 2
    assert f"error: {path}:2: not readable as UTF-8 text" in capsys.readouterr().err


def test_a_fold_that_the_corpus_does_not_have_is_refused_before_anything_runs(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    path = checkout.folder / "tables" / "table2.yaml"
    path.write_text(SMALL_TABLE.replace("fold: 1", "fold: [1, 4]"))
    assert checkout.run("--yes") == 2
    assert "smoke.yaml:7: a table needs 4/train, not counted here" in capsys.readouterr().err
    assert checkout.home.run_ids() == []


@pytest.mark.parametrize("wanted", ["I", "1", "i"])
def test_a_table_is_found_by_its_number(wanted: str) -> None:
    (table,) = find_tables(ROOT / "tables", [wanted])
    assert table.heading == "Table I"


def test_all_are_the_papers_six_and_none_comes_twice() -> None:
    found = find_tables(ROOT / "tables", ["all", "figure3"])
    assert [table.table for table in found] == [1, 2, 3, 4, 5, 6, "figure3"]
    with pytest.raises(SpecError, match="'II' is asked for twice"):
        find_tables(ROOT / "tables", ["all", "II"])


def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "table1.yaml"
    path.write_text("- 1\n")
    with pytest.raises(SpecError, match=r"table1.yaml:1: a mapping is expected"):
        load_table(path)
