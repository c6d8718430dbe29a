"""Claims and their family: what is refused, and where the error points."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from fake_checkout import ROOT, SMALL_TABLE

from benchmarks.spec.fixed_claims import fixed_claim, fixed_claims
from benchmarks.spec.part import part
from benchmarks.spec.read_tables import load_table
from benchmarks.spec.table import Table
from slurm.strict_yaml import SpecError

TABLES = sorted((ROOT / "tables").glob("*.yaml"))

# A claim of the small table that is refused; what the error says, which names the claim's line.
BAD_CLAIMS = [
    ("column: r2, above: [a, b]", "unknown 'r2'; known: r1"),
    ("column: r1, above: [a, c]", "unknown 'c'; known: a, b, untrained, gone"),
    ("column: r1, best: untrained", "unknown 'untrained'; known: a, b"),
    ("column: r1, above: [chance, a]", "chance may stand last only"),
    (
        "column: r1, near: [a, chance], within: 1.0",
        "unknown 'chance'; known: a, b, untrained, gone",
    ),
    ("column: r1, above: [a, a]", "'a' is compared with itself"),
    ("column: r1, above: [a, b], best: a", "a claim needs exactly one of"),
    ("column: r1, above: [a, b], by: -1.0", "claims.0.by is -1.0"),
    ("column: r1, best: a, by: 1.0", "by is 1: only above has it"),
    ("column: r1, not_above: [chance, a], within: 1.0", "chance may stand last only"),
    ("column: r1, not_above: [a, b, a], within: 1.0", "'a' is compared with itself"),
    ("column: r1, not_above: [a, b]", "near, not_above and at_chance need within"),
    ("column: r1, best: a, among: [a, b]", "among is ['a', 'b']: only best has it"),
    ("column: r1, above: [a, b], among: [b]", "among is ['b']: only best has it"),
    ("column: r1, best: a, among: [c]", "unknown 'c'; known: a, b, untrained"),
    ("column: r1, above: [a, gone]", "'gone' is not measured in 'r1'"),
    ("column: r1, near: [a, b]", "near, not_above and at_chance need within"),
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
        "  gone: {label: G, unavailable: it is gone, not_measured: {r1: why}}\n"
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


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_a_claim_is_the_same_in_a_part_of_its_table(path: Path) -> None:
    table = load_table(path)
    for claim in table.claims:
        if claim.untested is None:
            rows = list(dict.fromkeys([*claim.names, *table.compared(claim)]))
            columns = [name for name in (claim.column, claim.beside) if name is not None]
            columns += [c for c in map(reading_of(table), columns) if c is not None]
            small = part(table, rows, list(dict.fromkeys(columns)))
            (same,) = [c for c in small.claims if c == claim]
            assert fixed_claim(small, same) == fixed_claim(table, claim)


def reading_of(table: Table) -> Callable[[str], str | None]:
    return lambda column: table.columns[column].reading_of


def test_all_judged_claims_and_tolerances_are_fixed() -> None:
    tables = [load_table(path) for path in TABLES]
    fixed = fixed_claims(tables)
    assert json.loads(json.dumps(fixed)) == fixed, "plain data"
    for table in tables:
        judged = [claim.says for claim in table.claims if claim.untested is None]
        assert [c["claim"]["says"] for c in fixed[table.name]["claims"]] == judged
    (similar, _) = [c for c in fixed["table5"]["claims"] if "near" in c["claim"]]
    assert similar["claim"]["within"] == 1.0
    rows = similar["compared"]["ucf101"]["rows"]
    assert rows["gdt_audioset"]["pretrain"]["method"] == "gdt"
    (best, *_) = [c for c in fixed["table5"]["claims"] if "best" in c["claim"]]
    assert best["compared"]["ucf101"]["rows"]["coclr"] == {"reported": 90.6}
    assert rows["iicl_audioset"]["pretrain"]["corpus"] == "audioset"
    assert rows["iicl_audioset"]["folds"] == [1, 2, 3]
