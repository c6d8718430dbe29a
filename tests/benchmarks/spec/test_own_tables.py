"""The tables that compare methods: equal budgets, and what each claim and row is about."""

from collections import Counter

import pandas as pd
import pytest
from fake_checkout import ROOT

from benchmarks import stages
from benchmarks.plan import row_settings
from benchmarks.spec.read_tables import load_table
from benchmarks.spec.scale import load_scale
from benchmarks.spec.table import Settings, Table, overlay
from iicl import methods
from iicl.pretraining import Pretrain
from iicl.work import encoded_samples

TABLES = {path.stem: load_table(path) for path in sorted((ROOT / "tables").glob("*.yaml"))}
COMPARED, CONTROLS, TUNING = (TABLES[name] for name in ("compared", "controls", "tuning"))
DESK = load_scale(ROOT / "benchmarks" / "scales" / "desk.yaml")
MOST_SETTINGS = 6  # that may be tried for a method
WITHOUT_TRAINING = {"random_init", "mfcc"}


def method_of(table: Table, row: str) -> str:
    name: str = table.pretrain(row)["method"]
    return name


def test_every_method_that_is_trained_is_compared() -> None:
    compared = {method_of(COMPARED, row) for row in COMPARED.all_rows}
    assert compared == set(methods.names()) - {"mfcc"}


def test_rows_that_are_compared_differ_in_their_method_alone() -> None:
    for name, row in COMPARED.all_rows.items():
        own = row.pretrain.keys() - {"method", "hypothesis", "objective"}
        assert [own, row.clip, row.evaluate, row.corpus] == [set(), {}, {}, None], name


@pytest.mark.parametrize("row", COMPARED.rows)
def test_epochs_are_divided_by_the_encodings_of_video(row: str) -> None:
    """So that all rows encode about as many clips."""
    settings = row_settings.as_nested(COMPARED.pretrain(row))
    *_, resolved = stages.resolve("pretrain", {**settings, "seed": 0})
    phase = Pretrain.model_validate(resolved)
    encoded = encoded_samples(phase)
    encodings = phase.method.extra(phase.phase, encoded).encodings
    videos = [e.sample.name for e in encoded if e.sample.view == "video"]
    clips = sum(encodings.get(name, 1) for name in videos)
    assert COMPARED.rows[row].epochs_divided_by == clips


def test_each_method_is_controlled_with_its_signal_and_without() -> None:
    trained = {method_of(COMPARED, row) for row in COMPARED.rows}
    for name in CONTROLS.rows:
        if not name.endswith("_destroyed"):
            kept, destroyed = (CONTROLS.pretrain(n) for n in (name, f"{name}_destroyed"))
            lost = {"pairing": "shuffled"}, {"signal": "destroyed"}
            assert destroyed in [overlay(kept, change) for change in lost]
            divided = {CONTROLS.rows[n].epochs_divided_by for n in (name, f"{name}_destroyed")}
            assert len(divided) == 1
    assert {method_of(CONTROLS, row) for row in CONTROLS.rows} == trained


def test_controls_share_the_runs_of_the_compared_rows() -> None:
    assert CONTROLS.defaults == COMPARED.defaults
    for name in CONTROLS.rows.keys() & COMPARED.rows.keys():
        assert CONTROLS.pretrain(name) == COMPARED.pretrain(name)
        ours, theirs = CONTROLS.rows[name], COMPARED.rows[name]
        assert ours.epochs_divided_by == theirs.epochs_divided_by


def test_the_same_few_settings_are_tried_for_every_method() -> None:
    tried = Counter(method_of(TUNING, row) for row in TUNING.rows)
    assert tried.keys() == {method_of(COMPARED, row) for row in COMPARED.rows}
    (number,) = set(tried.values())
    assert number <= MOST_SETTINGS
    for row in TUNING.rows:
        assert method_of(TUNING, row) == TUNING.rows[row].block
        name = next(n for n in COMPARED.rows if method_of(COMPARED, n) == TUNING.rows[row].block)
        same = COMPARED.rows["iicl" if name == "without_cluster" else name].epochs_divided_by
        assert TUNING.rows[row].epochs_divided_by == same
    assert TUNING.defaults.clip == COMPARED.defaults.clip


def test_no_other_table_uses_the_seeds_of_the_tuning() -> None:
    for table in TABLES.values():
        if table is not TUNING:
            assert not set(table.defaults.seeds) & set(TUNING.defaults.seeds), table.name


def test_no_test_item_is_read_in_tuning() -> None:
    for protocol in TUNING.protocols.values():
        settings = {**protocol.settings, "corpus": protocol.corpus, "fold": 1, "seed": 100}
        (resolved,) = stages.resolve(protocol.stage, settings)
        assert stages.splits(resolved) == ("train",)


def flat_choice(row: str) -> Settings:
    """What a row of the tuning sets, in the values of the desk scale."""
    own = {k: v for k, v in TUNING.rows[row].pretrain.items() if k != "method"}
    return row_settings.replaced(own, DESK, lambda name, message: TUNING.error((), message))


@pytest.mark.parametrize("method", dict.fromkeys(r.block for r in TUNING.rows.values()))
def test_the_scale_has_one_of_the_settings_that_were_tried(method: str) -> None:
    scale = DESK.methods[method].settings
    rows = [r for r, row in TUNING.rows.items() if row.block == method]
    assert [overlay(scale, flat_choice(row)) for row in rows].count(scale) == 1


def test_the_scale_has_the_best_of_the_settings_that_were_tried() -> None:
    path = ROOT / "tables" / "desk" / "tuning.csv"
    if not path.exists():
        pytest.skip("tuning has not been run")
    scores = pd.read_csv(path).groupby(["block", "row", "column"])["value"].mean()
    of_rows = scores.groupby(["block", "row"]).mean()
    for method, of_method in of_rows.groupby("block"):
        _, best = of_method.idxmax()
        scale = DESK.methods[str(method)].settings
        assert overlay(scale, flat_choice(best)) == scale, (method, best)
