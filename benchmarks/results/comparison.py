"""From the values of rows to what they say on a claim, before it is adjusted for the others."""

import itertools
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.results import inference
from benchmarks.results.inference import Estimate, estimate
from benchmarks.results.power import OneSidedTest
from benchmarks.results.verdict import Finding, Values
from benchmarks.spec.claim import CHANCE, ClaimSpec
from benchmarks.spec.table import Table


def _reported(table: Table, row: str, column: str) -> float | None:
    """The paper's value of a row in a column, or in the column that this one reads anew."""
    spec = table.all_rows.get(row)  # chance is no row
    return spec.reported.get(table.columns[column].reading_of or column) if spec else None


def key_of(claim: ClaimSpec, table: Table) -> str:
    """The name of a claim's comparison: equal for claims that compare the same in one column."""
    column = str(claim.column)
    rows = [*table.compared(claim), *([CHANCE] if claim.against_chance else [])]
    if claim.not_above is not None:
        return f"{column}: {' - '.join(rows)} not above {claim.within:g}"
    if claim.within is not None:
        return f"{column}: {' - '.join(sorted(rows))} within {claim.within:g}"
    if claim.by:
        return f"{column}: {' - '.join(rows)} by {claim.by:g}"
    if len(rows) == 2:
        return pair_key(column, *rows)
    return f"{column}: {', '.join(rows)}" + (" differ" if claim.differ else "")


def chance_of(row: str) -> str:
    """The name of the values that a row would have by chance; no row has such a name."""
    return f"{CHANCE} of {row}"


def pair_key(column: str, first: str, second: str) -> str:
    """The name of the comparison of two rows."""
    return f"{column}: {' - '.join(sorted((first, second)))}"


@dataclass(frozen=True)
class Comparison:
    """The complete values of the rows that a claim compares.

    Attributes:
        claim: which claim.
        table: what they belong to.
        rows: values by row, and by :func:`chance_of` each row that is compared with its chance.
        printed: rows whose value is a printed number, repeated for each seed.
        level: of the family.
    """

    claim: ClaimSpec
    table: Table
    rows: Mapping[str, Values]
    printed: Collection[str]
    level: float

    def finding(self) -> Finding:
        """What the values say."""
        claim = self.claim
        if claim.best is not None:
            return self._best(claim.best)
        if claim.differ:
            return self._differ()
        if claim.not_above is not None and claim.within is not None:
            return self._not_above(claim.not_above[:-1], claim.not_above[-1], claim.within)
        a, b = claim.above or claim.near or (str(claim.at_chance), CHANCE)
        difference, effect = self._difference(a, b), self._effect(a, b)
        if claim.within is None:
            evidence = inference.above(difference, claim.by)
            margin = f", to be above {claim.by:g}" if claim.by else ""
            bound = "" if claim.by else self._bound(difference)
            edges = [] if effect is None else [effect - claim.by]
            level = self.level / 2
        else:
            evidence = inference.near(difference, claim.within)
            margin, bound, level = f", to be within {claim.within:g}", "", self.level
            edges = [] if effect is None else [claim.within - effect, claim.within + effect]
        tests = tuple(self._test(difference, edge, level) for edge in edges)
        key = key_of(claim, self.table)
        why = self._words(a, b, difference) + margin
        return self._made(key, evidence, {key: evidence}, why, bound, tests)

    def _best(self, row: str) -> Finding:
        rivals = [name for name in self.rows if name != row]
        differences = {name: self._difference(row, name) for name in rivals}
        evidence = inference.best(list(differences.values()))
        pairs = {
            pair_key(str(self.claim.column), row, name): inference.above(difference)
            for name, difference in differences.items()
        }
        if evidence.favours == "reversed":
            rival = min(rivals, key=lambda name: float(inference.p_below(differences[name])))
        else:
            rival = max(rivals, key=lambda name: float(inference.p_above(differences[name])))
        effects = {name: self._effect(row, name) for name in rivals}
        known = {name: effect for name, effect in effects.items() if effect is not None}
        tests = tuple(
            self._test(differences[name], effect, self.level / 2) for name, effect in known.items()
        )
        return self._made(
            key_of(self.claim, self.table),
            evidence,
            pairs,
            self._words(row, rival, differences[rival]),
            self._bound(differences[rival]),
            tests if len(known) == len(rivals) else (),
        )

    def _not_above(self, rows: Sequence[str], last: str, margin: float) -> Finding:
        """Each row lies below the last one and the margin; as for the best, all parts must hold."""
        differences = {row: self._difference(row, last) for row in rows}
        evidence = inference.none_above(list(differences.values()), margin)
        row = max(rows, key=lambda name: float(inference.p_below(differences[name], margin)))
        key = key_of(self.claim, self.table)
        why = self._words(row, last, differences[row]) + f", not to be above by {margin:g}"
        return self._made(key, evidence, {key: evidence}, why, "", ())

    def _differ(self) -> Finding:
        pairs = list(itertools.combinations(self.rows, 2))
        differences = {(a, b): self._difference(a, b) for a, b in pairs}
        evidence = inference.differ(list(differences.values()))
        pair = min(pairs, key=lambda pair: float(inference.above(differences[pair]).p))
        corrected = self.level / (2 * len(pairs))
        tests = [
            self._test(differences[a, b], abs(effect), corrected)
            for a, b in pairs
            if (effect := self._effect(a, b)) is not None
        ]
        # One pair is enough: the one whose reported difference is largest for its spread.
        easiest = sorted(tests, key=lambda test: test.effect / max(test.sd, inference.SAME))[-1:]
        key = key_of(self.claim, self.table)
        widest = max(differences.values(), key=lambda d: inference.largest(d, self.level))
        why, bound = self._words(*pair, differences[pair]), self._bound(widest)
        return self._made(key, evidence, {key: evidence}, why, bound, tuple(easiest))

    def _made(
        self,
        key: str,
        evidence: inference.Evidence,
        pairs: Mapping[str, inference.Evidence],
        why: str,
        bound: str,
        tests: tuple[OneSidedTest, ...],
    ) -> Finding:
        usable = () if any(math.isnan(test.sd) for test in tests) else tests
        return Finding(self.claim, key, evidence, pairs, why, bound, usable)

    def _difference(self, first: str, second: str) -> Estimate:
        """First - second over the seeds that both have."""
        a = self.rows[first]
        b = self.rows[chance_of(first) if second == CHANCE else second]
        is_printed = first in self.printed or second in self.printed
        return estimate([a[seed] - b[seed] for seed in sorted(set(a) & set(b))], is_printed)

    def _effect(self, first: str, second: str) -> float | None:
        """The difference that the paper reports."""
        a, b = (_reported(self.table, row, str(self.claim.column)) for row in (first, second))
        return None if a is None or b is None else a - b

    def _test(self, difference: Estimate, edge: float, level: float) -> OneSidedTest:
        return OneSidedTest(edge, float(difference.sd), level, difference.printed)

    def _words(self, first: str, second: str, difference: Estimate) -> str:
        """The difference with its interval, which is not adjusted."""
        a, b = (
            CHANCE if row == CHANCE else self.table.all_rows[row].label for row in (first, second)
        )
        half = difference.half_width(1 - self.level)
        spread = "(one seed)" if math.isnan(half) else f"± {half:.1f}"
        printed = " against the printed number" if difference.printed else ""
        return f"{a} - {b} = {float(difference.mean):+.1f} {spread}{printed}"

    def _bound(self, difference: Estimate) -> str:
        """Which differences the seeds leave possible: those that equivalence tests would allow."""
        largest = inference.largest(difference, self.level)
        return "" if math.isnan(largest) else f"; no difference larger than {largest:.1f}"
