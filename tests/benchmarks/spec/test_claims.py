"""Claims and their family: what is refused, and where the error points."""

from pathlib import Path

import pytest
from fake_checkout import SMALL_TABLE

from benchmarks.spec.read_tables import load_table
from slurm.strict_yaml import SpecError

# A claim of the small table that is refused; what the error says, which names the claim's line.
BAD_CLAIMS = [
    ("column: r2, above: [a, b]", "unknown 'r2'; known: r1"),
    ("column: r1, above: [a, c]", "unknown 'c'; known: a, b, untrained"),
    ("column: r1, best: untrained", "unknown 'untrained'; known: a, b"),
    ("column: r1, above: [chance, a]", "chance may stand second only"),
    ("column: r1, near: [a, chance], within: 1.0", "unknown 'chance'; known: a, b, untrained"),
    ("column: r1, above: [a, a]", "'a' is compared with itself"),
    ("column: r1, above: [a, b], best: a", "a claim needs exactly one of"),
    ("column: r1, above: [a, b], by: -1.0", "claims.0.by is -1.0"),
    ("column: r1, best: a, by: 1.0", "by is 1: only above has it"),
    ("column: r1, near: [a, b]", "near and at_chance need within"),
    ("column: r1, above: [a, b], beside: r2", "unknown 'r2'; known: r1"),
    ("column: r1, above: [a, b], beside: r1", "the claim is judged in this column itself"),
    ("beside: r1, untested: why", "an untested claim compares nothing"),
]


@pytest.mark.parametrize(("claim", "message"), BAD_CLAIMS)
def test_a_claim_that_cannot_be_judged_is_refused_at_its_line(
    claim: str, message: str, tmp_path: Path
) -> None:
    text = (
        f"{SMALL_TABLE}controls:\n  untrained: {{label: U, pretrain: {{method: random_init}}}}\n"
        "inference: {level: 0.05, adjustment: holm}\nclaims:\n"
        f"  - {{says: x, where: IV, {claim}}}\n"
    )
    path = tmp_path / "table2.yaml"
    path.write_text(text)
    with pytest.raises(SpecError) as error:
        load_table(path)
    assert str(error.value).startswith(f"{path}:{text.count(chr(10))}: ")
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("added", "line", "message"),
    [
        ("claims:\n- {CLAIM}\n", 1, "claims that are judged need inference"),
        ("inference: {level: 0.05, adjustment: holm}\n", 1, "no claim of the table is judged"),
        ("inference: {level: 0.05, adjustment: none}\n", 1, "inference.adjustment is 'none'"),
        ("inference: {level: 5, adjustment: holm}\n", 1, "inference.level is 5"),
    ],
)
def test_the_family_of_claims_is_fixed_where_there_is_one(
    added: str, line: int, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "table2.yaml"
    claim = "says: x, where: IV, column: r1, best: a"
    path.write_text(SMALL_TABLE + added.replace("CLAIM", claim))
    with pytest.raises(SpecError) as error:
        load_table(path)
    assert str(error.value).startswith(f"{path}:{SMALL_TABLE.count(chr(10)) + line}: ")
    assert message in str(error.value)
