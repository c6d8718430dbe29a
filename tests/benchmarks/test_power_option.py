"""``--power``: the seeds that claims need, from results of this home or the committed ones."""

import re
import shutil
from pathlib import Path

import pytest
from fake_checkout import Checkout

CLAIMS = """\
inference: {level: 0.05, adjustment: holm}
claims:
  - {says: A is above, where: IV, column: r1, above: [a, b]}
  - {says: B is above, where: IV, column: r1, above: [b, a]}
  - {says: they are near, where: IV, column: r1, near: [a, b], within: 12.0}
  - {says: A is above chance, where: IV, column: r1, above: [a, chance]}
  - {says: A is fast, where: IV, untested: no time is given}
"""


@pytest.fixture
def claiming(checkout: Checkout) -> Checkout:
    table = checkout.folder / "tables" / "table2.yaml"
    table.write_text(table.read_text() + CLAIMS)
    return checkout


def power(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> dict[str, list[str]]:
    """The cells of each claim's line."""
    capsys.readouterr()
    assert checkout.run("--power") == 0
    title, _, rule, *lines = capsys.readouterr().out.strip().splitlines()
    assert title.endswith("2 planned")
    starts = [match.start() for match in re.finditer("-+", rule)]
    spans = list(zip(starts, [*starts[1:], None], strict=True))
    cells = [[line[start:end].strip() for start, end in spans] for line in lines]
    return {first: rest for first, *rest in cells}


def test_power_runs_nothing_and_says_where_the_spread_comes_from(
    claiming: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = power(claiming, capsys)
    assert list(shown) == ["A is above", "B is above", "they are near", "A is above chance"]
    assert {line[-1] for line in shown.values()} == {"no results to take the spread from"}
    assert claiming.home.run_ids() == []
    assert claiming.run("--yes", "--seeds", *"01234") in (0, 1)
    desk = claiming.folder / "tables" / "desk"
    desk.mkdir()
    shutil.copy(claiming.folder / "out" / "table2.csv", desk)
    shutil.rmtree(claiming.home.root)
    committed = power(claiming, capsys)
    assert committed["A is above"][3] == "tables/desk"
    assert claiming.run("--yes") in (0, 1)
    here = power(claiming, capsys)
    assert here["A is above"][:2] == ["R@1", "10.0"]
    assert here["A is above"][3:5] == ["this home", "3"]
    assert here["A is above"][2] != committed["A is above"][2]  # the spread of two seeds, of five


def test_power_says_why_a_number_is_missing(
    claiming: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    assert claiming.run("--yes") in (0, 1)
    shown = power(claiming, capsys)
    assert shown["B is above"][1] == "-10.0"
    assert shown["B is above"][-1] == "the paper's own numbers are not on the claim's side"
    assert shown["A is above chance"][-1] == "the paper reports no effect"
    assert shown["they are near"][1] == "2.0"  # of the margin's 12, the paper leaves 2


def test_a_price_grows_with_the_seeds_and_counts_shared_runs_once(
    claiming: Checkout, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert claiming.run("--yes") in (0, 1)
    one = power(claiming, capsys)["A is above"]
    table = claiming.folder / "tables" / "table2.yaml"
    table.write_text(table.read_text().replace("{r1: 40.0}", "{r1: 49.9}"))
    many = power(claiming, capsys)["A is above"]
    assert int(many[4].replace(",", "")) > int(one[4])
    ratio = float(many[5].replace(",", "")) / float(one[5])
    assert ratio == pytest.approx(int(many[4].replace(",", "")) / int(one[4]), rel=0.1)


def test_power_refuses_what_would_do_nothing(
    claiming: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    assert claiming.run("--power", "--no-wait") == 2
    assert "--no-wait does nothing with --power" in capsys.readouterr().err
