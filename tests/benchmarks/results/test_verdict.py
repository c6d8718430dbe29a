"""Verdicts at their edges: cells, claims, and families of them."""

from collections.abc import Mapping
from typing import Any

import pytest
from fake_checkout import ROOT

from benchmarks.results import inference, verdict
from benchmarks.results.comparison import Comparison
from benchmarks.results.inference import estimate
from benchmarks.results.verdict import ClaimJudgement, ComparedCell, Finding, decide, judge_cells
from benchmarks.spec.claim import ClaimSpec
from benchmarks.spec.read_tables import load_table

TABLE = load_table(ROOT / "tables" / "table1.yaml")
CLEAR, NOISE = (5.0, 5.1, 5.2, 5.0, 5.1), (0.3, -0.4, 0.2, -0.1, 0.1)


def seeds(*values: float) -> dict[int, float]:
    return dict(enumerate(values))


def look(
    rows: Mapping[str, Mapping[int, float]], *, printed: tuple[str, ...] = (), **kind: Any
) -> Finding:
    claim = ClaimSpec.model_validate({"says": "x", "where": "y", "column": "r1", **kind})
    table = TABLE.model_copy(update={"rows": {name: TABLE.rows[name] for name in rows}})
    return Comparison(claim, table, rows, printed, 0.05).finding()


def alone(finding: Finding) -> ClaimJudgement:
    (judged,) = decide([finding], 0.05)
    return judged


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((50.0, 50.1, 50.2), "match"),
        ((50.0, 50.0, 50.0), "match"),
        ((48.0, 48.1, 48.2), "below"),
        ((52.0, 52.1, 52.2), "above"),
        ((50.8, 51.0, 51.2), "open"),
        ((45.0, 50.0, 55.0), "open"),
        ((50.0,), "open"),
        ((90.0,), "open"),
    ],
)
def test_a_cell_is_judged_against_the_printed_number(
    values: tuple[float, ...], expected: str
) -> None:
    (cell,) = judge_cells([ComparedCell(seeds(*values), 50.0, 1.0)])
    assert cell.verdict == expected
    assert cell.delta == pytest.approx(sum(values) / len(values) - 50.0)


def test_the_printed_number_of_a_cell_has_the_spread_of_a_run() -> None:
    """The interval of our mean alone lies above the band."""
    values = (51.6, 52.0, 52.4)
    assert 52.0 - estimate(values).half_width(0.95) - 50.0 > 0.9
    (cell,) = judge_cells([ComparedCell(seeds(*values), 50.0, 0.9)])
    assert cell.verdict == "open"


def test_cells_are_judged_as_a_family() -> None:
    cell = ComparedCell(seeds(51.8, 52.0, 52.3), 50.0, 0.5)
    (one,) = judge_cells([cell])
    assert one.verdict == "above"
    assert {many.verdict for many in judge_cells([cell] * 12)} == {"open"}
    close = ComparedCell(seeds(49.0, 50.0, 51.0), 50.0, 3.0)
    (few,), many = judge_cells([close]), judge_cells([close] * 12)
    assert few.seeds_for_power is not None
    assert many[0].seeds_for_power is None or many[0].seeds_for_power > few.seeds_for_power


def test_best_holds_only_against_every_rival() -> None:
    far, near = seeds(10.0, 11.0, 12.0), seeds(14.5, 15.2, 16.9)
    best = seeds(15.0, 16.0, 17.2)
    holds = alone(look({"c400": best, "c100": far}, best="c400"))
    assert (holds.verdict, holds.why) == ("holds", "400 - 100 = +5.1 ± 0.3")
    judged = alone(look({"c400": best, "c100": far, "c200": near}, best="c400"))
    assert judged.verdict == "open"
    assert judged.why.startswith("400 - 200 = +0.5 ± ")
    judged = alone(look({"c100": far, "c400": best, "c200": near}, best="c100"))
    assert (judged.verdict, judged.why) == ("reversed", "100 - 400 = -5.1 ± 0.3")


def test_reversal_is_corrected_for_the_number_of_rivals() -> None:
    ours, ahead = seeds(10.0, 10.0, 10.0), seeds(10.6, 11.0, 11.4)
    assert alone(look({"c100": ours, "c200": ahead}, best="c100")).verdict == "reversed"
    rivals = {name: seeds(5.0, 5.1, 5.2) for name in ("c400", "c800")}
    judged = alone(look({"c100": ours, "c200": ahead, **rivals}, best="c100"))
    assert judged.verdict == "open"
    assert judged.p == pytest.approx(3 * float(inference.above(estimate([0.6, 1.0, 1.4])).p))


def test_rows_differ_if_any_corrected_pair_does() -> None:
    noise = {
        "c100": seeds(1.0, 2.0, 3.0),
        "c200": seeds(2.0, 1.5, 3.5),
        "c400": seeds(3.0, 2.0, 1.0),
    }
    judged = alone(look(noise, differ=True))
    assert judged.verdict == "open"
    assert judged.why.endswith("; no difference larger than 3.5")
    judged = alone(look({**noise, "c800": seeds(11.0, 12.1, 13.0)}, differ=True))
    assert judged.verdict == "holds"
    assert " - 800 = -" in judged.why
    equal = {"c100": seeds(1.0, 1.0, 1.0), "c200": seeds(1.0, 1.0, 1.0)}
    assert alone(look(equal, differ=True)).verdict == "open"


@pytest.mark.parametrize(
    ("by", "expected"), [(0.0, "holds"), (4.0, "holds"), (5.08, "open"), (6.0, "reversed")]
)
def test_above_by_is_judged_at_its_points(by: float, expected: str) -> None:
    rows = {"c400": seeds(*CLEAR), "c100": seeds(0.0, 0.0, 0.0, 0.0, 0.0)}
    judged = alone(look(rows, above=["c400", "c100"], by=by))
    assert judged.verdict == expected
    assert judged.why == "400 - 100 = +5.1 ± 0.1" + (f", to be above {by:g}" if by else "")


def test_a_printed_rival_is_one_run_and_the_sentence_says_so() -> None:
    rows = {"c400": seeds(51.0, 51.5, 52.0), "c100": seeds(50.0, 50.0, 50.0)}
    assert alone(look(rows, above=["c400", "c100"])).verdict == "holds"
    judged = alone(look(rows, printed=("c100",), above=["c400", "c100"]))
    assert judged.verdict == "open"
    assert judged.why.startswith("400 - 100 = +1.5 ± 2.5 against the printed number; no diff")


@pytest.mark.parametrize(
    ("ours", "expected"),
    [((50.0, 50.2, 50.4), "holds"), ((53.0, 53.2, 53.4), "reversed"), ((50.8, 51.0, 51.2), "open")],
)
def test_near_is_equivalence_within_the_points(ours: tuple[float, ...], expected: str) -> None:
    rows = {"c100": seeds(*ours), "c200": seeds(50.0, 50.0, 50.0)}
    assert alone(look(rows, near=["c100", "c200"], within=1.0)).verdict == expected


def test_one_seed_decides_nothing() -> None:
    rows = {"c100": seeds(9.0), "c200": seeds(1.0)}
    for kind in ({"best": "c100"}, {"differ": True}, {"above": ["c100", "c200"]},
                 {"near": ["c100", "c200"], "within": 1.0}):  # fmt: skip
        judged = alone(look(rows, **kind))
        assert (judged.verdict, judged.p, judged.seeds_for_power) == ("open", 1.0, None)
        assert "+8.0 (one seed)" in judged.why


def test_a_verdict_follows_the_adjusted_p_of_its_family() -> None:
    rows = {"c400": seeds(1.0, 1.4, 2.1), "c100": seeds(0.0, 0.0, 0.0)}
    barely = look(rows, above=["c400", "c100"])
    assert 0.025 < float(barely.evidence.p) <= 0.05
    assert alone(barely).verdict == "holds"
    other = look({"c400": seeds(*NOISE), "c200": seeds(*[0.0] * 5)}, above=["c400", "c200"])
    judged, _ = decide([barely, other], 0.05)
    assert judged.verdict == "open"
    assert (judged.p, judged.adjusted) == (barely.evidence.p, pytest.approx(2 * judged.p))
    assert judged.why.endswith("; undecided after the adjustment")
    few, many = alone(other).seeds_for_power, decide([other, barely], 0.05)[0].seeds_for_power
    assert few is not None
    assert many is not None
    assert many > few  # the paper's effect at a level that is shared


def test_a_comparison_in_two_claims_counts_once() -> None:
    rows = {"c400": seeds(1.0, 1.4, 2.1), "c100": seeds(0.0, 0.0, 0.0)}
    above, best = look(rows, above=["c400", "c100"]), look(rows, best="c400")
    behind = look({"c100": rows["c100"], "c400": rows["c400"]}, best="c100")
    judged = decide([above, best, behind, look(rows, differ=True)], 0.05)
    assert [one.verdict for one in judged] == ["holds", "holds", "reversed", "holds"]
    assert {one.adjusted for one in judged} == {judged[0].p}
    assert {one.comparison for one in judged} == {"r1: c100 - c400"}


def test_best_follows_from_its_pairs_if_other_claims_make_them() -> None:
    zero, clear = seeds(*[0.0] * 5), seeds(*CLEAR)
    rows = {"c400": clear, "c100": zero, "c200": seeds(*NOISE)}
    pairs = [look({"c400": clear, name: rows[name]}, above=["c400", name])
             for name in ("c100", "c200")]  # fmt: skip
    best = look(rows, best="c400")
    family = verdict.members([best, *pairs])
    assert list(family) == ["r1: c100 - c400", "r1: c200 - c400"]
    judged = decide([best, *pairs], 0.05)[0]
    assert (judged.verdict, judged.comparison) == ("holds", "r1: c200 - c400")
    behind = {"c200": rows["c200"], "c400": clear, "c100": zero}
    pairs = [look({"c200": rows["c200"], name: rows[name]}, above=["c200", name])
             for name in ("c400", "c100")]  # fmt: skip
    judged = decide([look(behind, best="c200"), *pairs], 0.05)[0]
    assert (judged.verdict, judged.comparison) == ("reversed", "r1: c200 - c400")
    # One pair stands nowhere else: then it is a comparison of its own.
    assert len(verdict.members([best, pairs[0]])) == 2


def test_a_claim_whose_runs_are_missing_counts_in_the_family() -> None:
    rows = {"c400": seeds(1.0, 1.4, 2.1), "c100": seeds(0.0, 0.0, 0.0)}
    barely = look(rows, above=["c400", "c100"])
    waiting = ClaimJudgement(barely.claim, "incomplete", "", comparison="fc_only: c100 - c400")
    judged, same = decide([barely, waiting], 0.05)
    assert judged.verdict == "open"
    assert same is waiting
    untested = ClaimJudgement(barely.claim, "untested", "because")
    assert decide([barely, untested], 0.05)[0].verdict == "holds"


def test_seeds_for_power_are_those_of_the_reported_effect_on_the_claim_s_side() -> None:
    """Table I reports 59.5 for 800 clusters and 59.3 for 400."""
    noise = {"c800": seeds(*NOISE), "c400": seeds(*[0.0] * 5)}
    assert alone(look(noise, above=["c400", "c800"])).seeds_for_power is None
    needed = alone(look(noise, above=["c800", "c400"])).seeds_for_power
    assert needed is not None
    assert needed > 5
    clear = {"c800": seeds(*CLEAR), "c400": seeds(*[0.0] * 5)}
    assert alone(look(clear, above=["c800", "c400"])).seeds_for_power is None  # decided


@pytest.mark.parametrize(
    "fields",
    [
        {"column": "r1"},
        {"column": "r1", "best": "a", "differ": True},
        {"best": "a"},
        {"column": "r1", "untested": "because"},
        {"column": "r1", "above": ["a", "b"], "best": "a"},
        {"column": "r1", "above": ["a", "b"], "within": 1.0},
    ],
)
def test_a_claim_has_one_kind_and_a_column(fields: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"a claim needs|need within"):
        ClaimSpec.model_validate({"says": "x", "where": "y", **fields})


def test_order_is_strict_between_all_values_of_neighbours() -> None:
    assert verdict.in_order([[1.0], [2.0, 3.0], [4.0]])
    assert not verdict.in_order([[1.0], [2.0, 5.0], [4.0]])
    assert not verdict.in_order([[2.0], [2.0]])
