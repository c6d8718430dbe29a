"""Values and sentences of a document, alike in Markdown, plots and HTML."""

from collections.abc import Sequence

from benchmarks.plan.variation import Variation
from benchmarks.render.claim import Claim
from benchmarks.render.document import Cell, Document
from benchmarks.render.row_facts import DescribedRow

NONE = "–"


def percent(value: float | None) -> str:
    """One digit, or a dash."""
    return NONE if value is None else f"{value:.1f}"


def interval(cell: Cell) -> str:
    """A reproduced value with half its interval; chance with its range over the rows."""
    if cell.verdict == "chance":
        return " to ".join(dict.fromkeys(percent(value) for value in cell.values)) or NONE
    if cell.mean is None:
        return NONE
    spread = "(one seed)" if cell.half_width is None else f"± {cell.half_width:.1f}"
    beyond = "" if cell.chance is None else f" ({cell.mean - cell.chance:+.1f} on chance)"
    return f"{cell.mean:.1f} {spread}{beyond}"


def remark(cell: Cell, compares: bool) -> str:
    """The remark beside a reproduced value; empty if there is none."""
    if cell.verdict in ("incomplete", "failed", "damaged", "stale"):
        return cell.verdict
    if not compares or cell.delta is None:
        return ""
    return f"{cell.delta:+.1f}, {cell.verdict}{needed(cell)}"


def needed(cell: Cell) -> str:
    """The seeds that an open cell needs, as the end of a remark; empty if none is known."""
    return f", {cell.seeds_for_power} seeds for 80 % power" if cell.seeds_for_power else ""


def p_value(p: float) -> str:
    """Three digits."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def tested(claim: Claim) -> list[str]:
    """The p-value, the adjusted one, and the seeds for 80 % power; dashes where there is none."""
    if claim.tested is None:
        return [NONE] * 3
    needed = claim.tested.seeds_for_power
    adjusted = p_value(claim.tested.adjusted)
    return [p_value(claim.tested.p), adjusted, NONE if needed is None else f"{needed:,}"]


def verdict(claim: Claim) -> str:
    """The verdict, and whether it is exploratory."""
    return f"{claim.verdict} (exploratory)" if claim.is_exploratory else claim.verdict


def beside(claim: Claim) -> str:
    """The verdict of the comparison of like with like, and why; a dash if there is none."""
    if claim.beside is None:
        return NONE
    tested = claim.beside.tested
    p = f", adjusted p {p_value(tested.adjusted)}" if tested is not None else ""
    return f"{verdict(claim.beside)} in {claim.beside.column}{p}: {claim.beside.why}"


def covers(variations: Sequence[Variation]) -> str:
    """Which sources of variation the intervals of a table cover, in sentences."""
    parts = {
        is_covered: [f"{v.source} ({'; '.join(v.of)})" if v.of else v.source
                     for v in variations if v.is_covered is is_covered]
        for is_covered in (True, False)
    }  # fmt: skip
    if not parts[True]:
        return "One seed has no interval."
    covered, uncovered = (", ".join(parts[is_covered]) for is_covered in (True, False))
    return f"Intervals cover: {covered}. They do not cover: {uncovered}."


def unlike_processors(document: Document) -> str:
    """A warning if runs of unlike processors are pooled; empty if they are not."""
    if len(document.processors) < 2:
        return ""
    return (
        "This table pools runs of unlike processors, on which equal seeds give other numbers; no"
        f" interval covers that: {'; '.join(document.processors)}."
    )


FACTS = (
    *("row", "method", "encoders", "samples of an item", "optimisation"),
    *("clips per item", "encodings per item and step", "encodings in all"),
)
"""Headers of the table that says what each row was here."""


def row_costs(document: Document) -> str:
    """What the list of the rows' pretrainings holds."""
    return (
        f"What a pretraining of each row took, in seconds of one {document.cost_unit}, the mean"
        " over its seeds. A phase that rows share counts for each of them."
    )


def facts(document: Document, row: DescribedRow) -> list[str]:
    """A row of the table that says what each row was here."""
    is_in_blocks = document.block_headings and row.block is not None
    return [
        f"{row.label} ({block_name(row.block)})" if is_in_blocks else row.label,
        row.system,
        "; ".join(row.encoders),
        ", ".join(row.samples),
        row.optimisation,
        str(row.encodings.clips),
        str(row.encodings.in_step),
        NONE if row.encodings.in_all is None else f"{row.encodings.in_all:,}",
    ]


def block_name(block: str | None) -> str:
    """The name of a block for a reader."""
    return "all blocks" if block is None else block.replace("_", " ")


def in_order(holds: bool | None) -> str:
    """The verdict on an order, in words."""
    return {True: "in order", False: "not in order", None: "incomplete"}[holds]


def sharing(document: Document) -> str:
    """What sharing equal runs saves."""
    return (
        f"{document.num_runs:,} runs needed, {document.num_unshared:,} without sharing equal ones."
    )


def legend(document: Document, cell: str) -> list[str]:
    """How to read the table, in plain sentences; ``cell`` says what a cell holds."""
    num_seeds = len(document.seeds)
    spread = f"mean over {num_seeds} seeds ± half the 95 % t interval"
    if num_seeds == 1:
        spread = "value of the only seed"
    reported = any(column.reported for column in document.columns)
    sentences = [
        "Percent.",
        f"A cell holds {cell}:" if reported else "",
        f"{'the' if reported else 'The'} {spread}.",
        "Bold as in the paper." if reported else "",
        "In parentheses: the paper's value, read in another way."
        if any(column.reads is not None for column in document.columns)
        else "",
        "Cited: reported by others, nobody here runs it."
        if any(cell.verdict == "cited" for row in document.rows for cell in row.cells)
        else "",
        "Rows in italics are chance and controls.",
    ]
    return [sentence for sentence in sentences if sentence]
