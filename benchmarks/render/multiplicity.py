"""How many false verdicts a reader has to expect: in a table, and over all tables of a launch."""

from collections.abc import Mapping, Sequence

from benchmarks.render import words
from benchmarks.render.claim import Claim
from benchmarks.render.document import Document
from benchmarks.results.inference import benjamini_hochberg

OverAll = Mapping[tuple[str, str], float]
"""Name of a table, name of a comparison -> p-value adjusted by Benjamini and Hochberg."""


def expected(document: Document) -> list[str]:
    """What the adjustment of a table controls, in sentences; none if nothing is judged."""
    sentences = []
    if (claims := document.claims_family) is not None:
        is_like = any(claim.beside is not None for claim in document.claims)
        like = ", those of like with like among them" if is_like else ""
        sentences.append(
            f"The claims make {_count(claims.size, 'comparison')}, each counted once{like}. A"
            " verdict follows the p-value that is adjusted over them (Holm): the probability of one"
            f" false verdict or more is at most {_percent(claims.level)}. Unadjusted, up to"
            f" {claims.size * claims.level:.2g} would be expected. The intervals are not adjusted."
        )
    if (cells := document.cells_family) is not None:
        sentences.append(
            f"{_count(cells.size, 'cell')} with a printed number, which is taken as one run with"
            " the spread of ours: the probability of a false match, below or above among them is"
            f" at most {_percent(cells.level)} (Holm)."
        )
    return sentences


def _percent(share: float) -> str:
    return f"{100 * share:g} %"


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'s' * (number != 1)}"


def over_all(documents: Sequence[Document]) -> OverAll:
    """The p-values of all comparisons of some tables, each once, adjusted over all of them."""
    p_values = {
        (document.name, one.tested.comparison): one.tested.p
        for document in documents
        for claim in document.claims
        for one in (claim, claim.beside)
        if one is not None and one.tested is not None
    }
    adjusted = benjamini_hochberg(list(p_values.values()))
    return dict(zip(p_values, adjusted, strict=True))


def adjusted_over_all(document: Document, claim: Claim, adjusted: OverAll) -> str:
    """The p-value of a claim that :func:`over_all` adjusted; a dash if it was not tested."""
    if claim.tested is None:
        return words.NONE
    return words.p_value(adjusted[document.name, claim.tested.comparison])


def expected_over_all(documents: Sequence[Document]) -> list[str]:
    """What both adjustments control over some tables, in sentences; none if nothing is judged."""
    families = [d.claims_family for d in documents if d.claims_family is not None]
    if not families:
        return []
    bound = sum(family.level for family in families)
    level = max(family.level for family in families)
    adjusted = over_all(documents)
    num_kept, share = sum(p <= level for p in adjusted.values()), _percent(level)
    return [
        f"{_count(len(families), 'table')} with judged claims: the expected number of tables with a"
        f" false verdict is at most {bound:.2g}.",
        f"Adjusted over all {_count(len(adjusted), 'comparison')} instead (Benjamini and Hochberg),"
        f" {num_kept} would be decided at {share}; of such verdicts an expected share of at most"
        f" {share} is false, if the comparisons are independent or depend positively on each"
        " other.",
    ]
