"""Values and sentences of a document, alike in Markdown, plots and HTML."""

from benchmarks.render.document import Cell, Document

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
    if cell.half_width is None:
        return f"{cell.mean:.1f} (one seed)"
    return f"{cell.mean:.1f} ± {cell.half_width:.1f}"


def remark(cell: Cell, compares: bool) -> str:
    """The remark beside a reproduced value; empty if there is none."""
    if cell.verdict in ("incomplete", "failed", "damaged", "stale"):
        return cell.verdict
    if not compares or cell.delta is None:
        return ""
    needed = f", {cell.seeds_for_power} seeds would settle" if cell.seeds_for_power else ""
    return f"{cell.delta:+.1f}, {cell.verdict}{needed}"


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
