"""What a reader is told about false verdicts, p-values and what intervals cover."""

import dataclasses

import pytest
from sample_documents import measured, sample

from benchmarks.plan.variation import Variation
from benchmarks.render import claims_table, markdown, multiplicity, words
from benchmarks.render.claim import Claim
from benchmarks.render.document import Cell
from benchmarks.results.inference import benjamini_hochberg
from benchmarks.results.verdict import Family


def test_p_values_over_all_tables_count_each_comparison_once() -> None:
    other = dataclasses.replace(sample(), name="table3")
    adjusted = multiplicity.over_all([sample(), other])
    expected = benjamini_hochberg([0.0004, 0.04, 0.3] * 2)
    names = ["nmi: alone - both", "nmi_kmeans: alone - both", "ami: alone - both within 2"]
    assert adjusted == dict(
        zip([(t, n) for t in ("table2", "table3") for n in names], expected, strict=True)
    )
    assert multiplicity.over_all([dataclasses.replace(sample(), claims=())]) == {}


def test_the_number_of_false_verdicts_to_expect_is_said() -> None:
    (sentence,) = multiplicity.expected(sample())
    assert sentence.startswith("The claims make 3 comparisons, each counted once")
    assert "the probability of one false verdict or more is at most 5 %." in sentence
    assert "Unadjusted, up to 0.15 would be expected." in sentence
    cells = dataclasses.replace(sample(), claims_family=None, cells_family=Family(1, 0.05))
    (sentence,) = multiplicity.expected(cells)
    assert sentence.startswith("1 cell with a printed number, which is taken as one run")
    tables, share = multiplicity.expected_over_all([sample(), sample(), cells])
    assert tables == (
        "2 tables with judged claims: the expected number of tables with a false verdict is at"
        " most 0.1."
    )
    assert "over all 3 comparisons instead (Benjamini and Hochberg), 1 would be decided" in share
    assert multiplicity.expected_over_all([cells]) == []


def test_the_claims_show_both_p_values_and_like_with_like() -> None:
    first, second, third, fourth = markdown.claims(sample()).splitlines()[2:]
    cells = [cell.strip() for cell in first.replace("\\|", "").split("|")]
    assert cells[4:-1] == [
        *("holds", "both - alone = +6 ± 2"),
        *("open in NMI, k-means, adjusted p 0.080: +1 ± 2", "< 0.001", "0.001", "–"),
    ]
    assert "| reversed (exploratory) |" in second
    assert [cell.strip() for cell in third.split("|")][-4:-1] == ["–"] * 3
    assert [cell.strip() for cell in fourth.split("|")][-4:-1] == ["0.300", "0.300", "12"]
    plain = tuple(dataclasses.replace(claim, beside=None) for claim in sample().claims)
    text = markdown.claims(dataclasses.replace(sample(), claims=plain))
    assert "like with like" not in text
    shown = markdown.markdown(sample())
    assert shown.index("The claims make 3 comparisons") < shown.index("| claim ")


def test_the_readme_s_list_has_a_line_for_each_judged_claim() -> None:
    lines = claims_table.claims_table([sample()]).splitlines()
    cells = [[c.strip() for c in line.replace("\\|", "").split("|")[1:-1]] for line in lines[2:6]]
    assert [line[:4] for line in cells] == [
        ["II", "both  together are best", "NMI", "holds"],
        ["II", "alone is best", "NMI", "reversed (exploratory)"],
        ["II", "they are near", "AMI", "open"],
        ["II", "it is fast", "–", "untested"],
    ]
    assert cells[0][5:] == ["< 0.001", "0.001", "0.001", "–"]
    assert cells[2][5:] == ["0.300", "0.300", "0.300", "12"]
    assert lines[-1].startswith("Adjusted over all 3 comparisons")


def test_untested_claims_are_one_line_for_all_columns() -> None:
    claims = (
        Claim("it wins", "IV", "R@1", "untested", "-"),
        Claim("it wins", "IV", "R@5", "untested", "-"),
    )
    text = claims_table.claims_table([dataclasses.replace(sample(), claims=claims)])
    assert "R@1, R@5" in text
    assert text.count("it wins") == 1


@pytest.mark.parametrize(
    ("p", "shown"),
    [(0.0, "< 0.001"), (0.001, "0.001"), (0.04996, "0.050"), (1.0, "1.000")],
)
def test_p_values_have_three_digits(p: float, shown: str) -> None:
    assert words.p_value(p) == shown


def test_unlike_processors_are_a_warning() -> None:
    assert words.unlike_processors(sample()).endswith(
        "a processor: avx2; 1 thread; another processor: avx2; 1 thread."
    )
    assert "**This table pools runs of unlike processors" in markdown.markdown(sample())
    one = dataclasses.replace(sample(), processors=("a processor",))
    assert words.unlike_processors(one) == ""
    assert "**This table pools" not in markdown.markdown(one)


def test_what_intervals_cover_is_said() -> None:
    shown = words.covers(
        [
            Variation("training seed", True, ("0 to 4",)),
            Variation("corpus seed", True, ("ucf101", "audioset")),
            Variation("corpus seed", False, ("dcase2013",)),
            Variation("processor", False, ()),
        ]
    )
    assert shown == (
        "Intervals cover: training seed (0 to 4), corpus seed (ucf101; audioset). They do not"
        " cover: corpus seed (dcase2013), processor."
    )
    assert words.covers([Variation("training seed", False, ("0",))]) == "One seed has no interval."
    assert "\n\nIntervals cover: training seed (0 to 2).\n\n" in markdown.markdown(sample())


def test_a_value_may_stand_beside_its_distance_from_chance() -> None:
    cell = dataclasses.replace(measured(43.4), chance=31.3)
    assert words.interval(cell) == "43.4 ± 2.5 (+12.1 on chance)"
    assert (
        words.interval(Cell("open", mean=30.0, chance=31.3)) == "30.0 (one seed) (-1.3 on chance)"
    )
