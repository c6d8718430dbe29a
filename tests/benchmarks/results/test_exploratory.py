"""Claims are fixed before the runs that they are judged on, or they are shown as exploratory."""

from collections.abc import Callable

import pandas as pd
import pytest
from fake_checkout import SMALL_TABLE, Checkout

from benchmarks.results import judge
from benchmarks.results.exploratory import exploratory, mark
from benchmarks.spec.fixed_claims import fixed_claims
from benchmarks.spec.read_tables import load_all, load_table
from benchmarks.spec.table import Table
from benchmarks.store import files

CLAIMS = """\
inference: {level: 0.05, adjustment: holm}
claims:
  - {says: A is best, where: IV, column: r1, best: a}
  - {says: they are near, where: IV, column: r1, near: [a, b], within: 1.0}
"""
ADDED = "  - {says: A is above B, where: IV, column: r1, above: [a, b]}\n"


@pytest.fixture
def claiming(checkout: Checkout) -> Checkout:
    """A checkout whose table has two claims."""
    write(checkout, SMALL_TABLE + CLAIMS)
    return checkout


def write(checkout: Checkout, text: str) -> None:
    (checkout.folder / "tables" / "table2.yaml").write_text(text)


def recorded(checkout: Checkout) -> set[str | None]:
    """The digests of claims in the last attempts of the measurements."""
    runs = [checkout.home.run(i) for i in checkout.home.run_ids() if i.startswith("retrieval")]
    return {run.attempts()[-1].get("claims") for run in runs}


def judged(checkout: Checkout) -> list[bool]:
    """Which claims of the table, as its file is now, are exploratory."""
    table = load_table(checkout.folder / "tables" / "table2.yaml")
    return [exploratory(c, table, recorded(checkout), checkout.home) for c in table.claims]


def test_a_launch_fixes_the_claims_of_all_tables_before_its_runs(claiming: Checkout) -> None:
    assert claiming.run("--dry-run") == 0
    assert claiming.run() == 3  # asked, and not allowed
    assert not (claiming.home.root / "claims").exists()
    assert claiming.run("--yes", "--seeds", "0") == 0
    (path,) = (claiming.home.root / "claims").iterdir()
    assert recorded(claiming) == {path.stem}
    fixed = files.read_json(path)
    assert fixed == fixed_claims(load_all(claiming.folder / "tables"))
    assert files.digest(fixed) == path.stem
    assert fixed.keys() == {"table1", "table2"}
    assert fixed["table2"]["tolerances"] == {"r1": 1.0}
    assert judged(claiming) == [False, False]


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (lambda text: text + ADDED, [False, False, True]),
        (lambda text: text.replace("within: 1.0", "within: 2.0"), [False, True]),
        (lambda text: text.replace("level: 0.05", "level: 0.1"), [True, True]),
        (lambda text: text.replace("best: a", "best: b"), [True, False]),
        (lambda text: text.replace("{r1: 40.0}}", "{r1: 40.0}}\n  c: {label: C}"), [True, False]),
        (lambda text: text.replace("recall_at_1", "recall_at_5"), [True, True]),
        (lambda text: "# A comment.\n" + text, [False, False]),
        (lambda text: text.replace("{section: IV}", "{section: IV, notes: [x]}"), [False, False]),
        (lambda text: text.replace("where: IV", "where: V"), [False, False]),
        (lambda text: text.replace("tolerance: 1.0", "tolerance: 2.0"), [False, False]),
    ],
    ids=["claim", "margin", "level", "row", "rival", "metric", "comment", "note", "where", "band"],
)
def test_what_was_changed_after_the_runs_is_exploratory(
    claiming: Checkout, edit: Callable[[str], str], expected: list[bool]
) -> None:
    assert claiming.run("--yes") in (0, 1)
    before = claiming.home.run_ids()
    changed = edit(SMALL_TABLE + CLAIMS)
    assert changed != SMALL_TABLE + CLAIMS
    write(claiming, changed)
    assert judged(claiming) == expected
    claiming.run("--collect")
    assert claiming.home.run_ids() == before


def test_one_early_run_makes_a_claim_exploratory(claiming: Checkout) -> None:
    assert claiming.run("--yes", "--seeds", "0") == 0
    write(claiming, SMALL_TABLE + CLAIMS + ADDED)
    assert claiming.run("--yes") in (0, 1)
    assert len(recorded(claiming)) == 2
    assert judged(claiming) == [False, False, True]


def test_a_measurement_made_after_the_claim_may_rest_on_earlier_training(
    claiming: Checkout,
) -> None:
    """Nobody has seen its value."""
    assert claiming.run("--yes") in (0, 1)
    write(claiming, SMALL_TABLE + CLAIMS + ADDED)
    measured = [i for i in claiming.home.run_ids() if i.startswith("retrieval")]
    force = [word for run_id in measured for word in ("--force", run_id)]
    assert claiming.run("--yes", *force) in (0, 1)
    assert judged(claiming) == [False, False, False]


@pytest.mark.parametrize("damage", ["lost", "changed", "no JSON"])
def test_claims_that_nothing_says_were_fixed_are_exploratory(
    claiming: Checkout, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert claiming.run("--yes") in (0, 1)
    (path,) = (claiming.home.root / "claims").iterdir()
    before = path.read_text()
    if damage == "lost":
        path.unlink()
    else:
        path.write_text(before.replace('"within": 1.0', '"within": 3.0')[damage == "no JSON" :])
    capsys.readouterr()
    assert judged(claiming) == [True, True]
    notice = capsys.readouterr().err
    assert ("the claims that it fixed count as exploratory" in notice) == (damage != "lost")
    assert claiming.run("--yes") in (0, 1)  # has nothing to run, and makes the file again
    assert path.read_text() == before
    assert judged(claiming) == [False, False]


def test_the_records_that_a_claim_is_judged_on_decide(claiming: Checkout) -> None:
    assert claiming.run("--yes") in (0, 1)
    frame = pd.read_csv(claiming.folder / "out" / "table2.csv")
    assert set(frame["claims"]) == recorded(claiming)
    write(claiming, SMALL_TABLE + CLAIMS + ADDED + "  - {says: x, where: IV, untested: why}\n")
    table = load_table(claiming.folder / "tables" / "table2.yaml")

    def marked() -> list[bool]:
        judged = judge.judge(frame, table, compares=False)
        after = mark(judged, frame, table, claiming.home)
        assert [c.verdict for c in after.claims] == [c.verdict for c in judged.claims]
        return [claim.is_exploratory for claim in after.claims]

    assert marked() == [False, False, True, False]
    frame.loc[0, ["status", "claims"]] = ["new", None]  # there is no result that could be known
    assert marked() == [False, False, True, False]
    frame.loc[0, "status"] = "stale"
    assert marked() == [True, True, True, False]


def test_a_run_of_an_earlier_version_fixed_no_claims(claiming: Checkout) -> None:
    table: Table = load_table(claiming.folder / "tables" / "table2.yaml")
    assert exploratory(table.claims[0], table, [None], claiming.home)
    assert not exploratory(table.claims[0], table, [], claiming.home)
