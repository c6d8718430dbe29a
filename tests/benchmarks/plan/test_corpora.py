"""Which corpus a run reads, what it is called, who shares it, and what it costs."""

from collections.abc import Sequence
from pathlib import Path

import fake_stages
import pytest
from fake_checkout import GENERATE, SMALL_TABLE, Checkout

from benchmarks import run
from benchmarks.launch import request
from benchmarks.plan.corpora import bytes_to_come, summaries
from benchmarks.plan.graph import Plan
from benchmarks.plan.rates import Rates
from benchmarks.plan.variation import Variation, variations


def planned(checkout: Checkout, *options: str, tables: Sequence[str] = ("II",)) -> Plan:
    words = ["--table", *tables, "--scale", "smoke", "--home", str(checkout.home.root)]
    arguments = run.parser().parse_args([*words, *options])
    return request.read(arguments, fake_stages, checkout.folder).plan()


def prepare(plan: Plan) -> None:
    for corpus in plan.used_corpora():
        fake_stages.prepare(
            corpus.name, None, corpus.generate, {}, corpus.path, 1, lambda done, total: None
        )


@pytest.mark.parametrize("is_prepared", [False, True])
def test_a_run_reads_the_corpora_of_its_seed(checkout: Checkout, is_prepared: bool) -> None:
    if is_prepared:
        prepare(planned(checkout))
    plan = planned(checkout)
    assert all(run.corpus.seed == run.resolved["seed"] for run in plan.runs.values())
    assert all(
        plan.runs[other].corpus.seed == run.corpus.seed
        for run in plan.runs.values()
        for other in run.upstream.values()
    )
    assert len({corpus.path for corpus in plan.used_corpora()}) == 4
    assert len({corpus.hash for corpus in plan.used_corpora()}) == 4
    assert {corpus.header is not None for corpus in plan.used_corpora()} == {is_prepared}


@pytest.mark.parametrize("is_prepared", [False, True])
def test_runs_of_one_seed_on_unlike_corpora_have_unlike_names(
    checkout: Checkout, is_prepared: bool
) -> None:
    names: list[set[str]] = []
    for seed in ("0", "1", "run"):
        checkout.scale(generate=GENERATE.replace("run", seed))
        if is_prepared:
            prepare(planned(checkout))
        names.append(set(planned(checkout).runs))
    first, second, own = names
    assert len(first) == len(second) == len(own) == 14
    assert not first & second
    # Training seed 0 on corpus 0 and 1 on 1: the same runs, whatever the scale says.
    assert own == {n for n in first if "-s0-" in n} | {n for n in second if "-s1-" in n}


def test_tables_share_the_corpora_and_the_pretraining_of_a_seed(checkout: Checkout) -> None:
    plan = planned(checkout, tables=("I", "II"))
    alone = [planned(checkout, tables=(name,)) for name in ("I", "II")]
    assert len(plan.used_corpora()) == 2 * 5  # table I has five seeds, and table II two of these
    shared = alone[0].runs.keys() & alone[1].runs.keys()
    assert {plan.runs[i].stage for i in shared} >= {"pretrain", "features", "retrieval"}
    assert len(plan.runs) == sum(len(one.runs) for one in alone) - len(shared)


def test_a_real_copy_is_one_corpus_for_all_seeds(checkout: Checkout, tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "one.mp4").touch()
    plan = planned(checkout, "--data", f"ucf101={tmp_path / 'clips'}")
    assert sorted((c.name, c.seed) for c in plan.used_corpora() if c.seed is not None) == [
        ("audioset", 0),
        ("audioset", 1),
    ]
    (real,) = [c for c in plan.used_corpora() if c.seed is None]
    assert (real.name, real.generate, real.title) == ("ucf101", None, "ucf101")


def test_a_corpus_that_stands_for_another_follows_the_seed_too(checkout: Checkout) -> None:
    path = checkout.folder / "benchmarks" / "scales" / "smoke.yaml"
    counts = "{all: 1080, 1/train: 600, 1/train/with_sound: 600}"
    old = f"audioset: {{generate: {GENERATE}, counts: {counts}}}"
    assert old in path.read_text()
    text = path.read_text().replace(old, "audioset: {same_as: ucf101}")
    path.write_text(text.replace("1/test: 480}", "1/test: 480, 1/train/with_sound: 600}"))
    plan = planned(checkout)
    assert {(c.name, c.seed) for c in plan.used_corpora()} == {("ucf101", 0), ("ucf101", 1)}
    assert plan.corpora.follows_run("audioset")


def test_the_plan_prices_the_corpora_of_every_seed(checkout: Checkout) -> None:
    corpora = planned(checkout).used_corpora()
    assert bytes_to_come(corpora) == 4 * 1080 * 100_000
    assert Rates([]).preparation_seconds(corpora) == (pytest.approx(4 * 1080 * 0.01), False)
    speed = {"machine": {}, "seconds_per_flop": {}, "preparation_pace": 3.0}
    known = Rates([], speed)  # type: ignore[arg-type]
    assert known.preparation_seconds(corpora) == (pytest.approx(3 * 4 * 1080 * 0.01), True)
    prepare(planned(checkout, "--seeds", "1"))
    assert bytes_to_come(planned(checkout).used_corpora()) == 2 * 1080 * 100_000


def test_the_hours_of_the_plan_hold_the_preparation(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    checkout.scale(generate=GENERATE.replace("0.01", "10"))
    scale = checkout.folder / "benchmarks" / "scales" / "smoke.yaml"
    scale.write_text(scale.read_text().replace("sustained_gflops: 60", "sustained_gflops: 60000"))
    third = SMALL_TABLE.replace("table: 2", "table: 3").replace("[0, 1]", "[0, 1, 2, 3, 4]")
    (checkout.folder / "tables" / "table3.yaml").write_text(third)
    assert checkout.run("--dry-run") == 0
    output = capsys.readouterr().out
    assert "│ corpora   │    4 │     │                12.00 │ assumed rate" in output
    assert "data to generate and prepare: 430 MB on disk" in output
    assert checkout.run("--dry-run", "--table", "III") == 0  # beside Table II
    lines = [line.split("│") for line in capsys.readouterr().out.splitlines() if "│ Table" in line]
    # Table II reads two corpora of two seeds, and Table III of five: it adds those of three.
    assert [[cell.strip() for cell in line[-3:-1]] for line in lines] == [
        ["12.00", "12.00"],
        ["30.00", "18.00"],
    ]


def test_seeds_of_a_corpus_are_one_sentence(checkout: Checkout) -> None:
    prepare(planned(checkout, "--seeds", "0", "1", "2", "4"))
    plan = planned(checkout, "--seeds", "4", "2", "0", "1", "7")
    assert summaries(plan.used_corpora()) == [
        f"{name}: {words}"
        for name in dict.fromkeys(corpus.name for corpus in plan.used_corpora())
        for words in (
            "1,080 of 1,080 generated clips usable, corpus seeds 0 to 2, 4",
            "generated, not prepared yet, corpus seed 7",
        )
    ]


def test_an_interval_covers_corpora_that_are_generated_anew(
    checkout: Checkout, tmp_path: Path
) -> None:
    plan = planned(checkout)
    assert variations(plan, plan.tables[0], {"b", "a"}) == [
        Variation("training seed", True, ("0, 1",)),
        Variation("corpus seed", True, ("audioset", "ucf101")),
        Variation("fold", True, ("ucf101 1",)),
        Variation("processor", False, ("a", "b")),
    ]
    (tmp_path / "clips").mkdir()
    real = planned(checkout, "--data", f"ucf101={tmp_path / 'clips'}")
    assert variations(real, real.tables[0], ())[1:4] == [
        Variation("corpus seed", True, ("audioset",)),
        Variation("corpus seed", False, ("ucf101",)),
        Variation("fold", False, ("ucf101 1",)),
    ]
    one = planned(checkout, "--seeds", "3")
    assert [v.is_covered for v in variations(one, one.tables[0], ())] == [False] * 4
    checkout.scale(generate=GENERATE.replace("run", "0"))
    fixed = planned(checkout)
    assert [v.is_covered for v in variations(fixed, fixed.tables[0], ())] == [True] + [False] * 3
