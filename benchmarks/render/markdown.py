"""A document as Markdown. Equal documents give equal bytes."""

from collections.abc import Iterable, Sequence

from tabulate import tabulate

from benchmarks.render import escape, multiplicity, words
from benchmarks.render.document import Cell, Column, Document, Row

ARROW = " → "
CELL = "the paper's value, an arrow, and the one reproduced here"


def _grid(rows: Sequence[Sequence[str]], headers: Sequence[str], left: int = 1) -> str:
    align = ["left"] * left + ["right"] * (len(headers) - left)
    cells = [[escape.cell(text) for text in row] for row in [headers, *rows]]
    return tabulate(
        cells[1:], headers=cells[0], tablefmt="pipe", colalign=align, disable_numparse=True
    )


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def main_table(document: Document) -> str:
    """Rows by block; in each cell the paper's value, an arrow, and the one reproduced here."""
    headers = [document.axis or "row", *document.about]
    headers += [column.label for column in document.columns]
    headers = [escape.inline(header) for header in headers]
    lines = []
    for block in document.blocks:
        if document.block_headings:
            lines.append(
                [f"**{escape.inline(words.block_name(block))}**", *[""] * (len(headers) - 1)]
            )
        for row in document.rows:
            if row.block == block:
                lines.append(_line(document, row))
    return _grid(lines, headers, left=1 + len(document.about))


def _line(document: Document, row: Row) -> list[str]:
    here = f" (here {row.at[1]})" if row.at is not None and row.at[0] != row.at[1] else ""
    label = escape.inline(row.label)
    label = label + here if row.kind == "paper" else f"*{label}*"
    cells = [
        _cell(cell, column, document.compares)
        for cell, column in zip(row.cells, document.columns, strict=True)
    ]
    return [label, *map(escape.inline, row.about), *cells]


def _cell(cell: Cell, column: Column, compares: bool) -> str:
    paper = words.percent(cell.paper)
    paper = f"**{paper}**" if cell.bold else f"({paper})" if column.reads is not None else paper
    if cell.verdict in ("cited", "cannot run", "not measured"):
        return f"{paper} {cell.verdict}" if cell.paper is not None else words.NONE
    if cell.verdict == "not applicable":
        return cell.verdict if cell.paper is None else f"{paper}{ARROW}{cell.verdict}"
    note = words.remark(cell, compares)
    here = f"{words.interval(cell)} ({note})" if note else words.interval(cell)
    return here if cell.paper is None else f"{paper}{ARROW}{here}"


def claims(document: Document) -> str:
    """The paper's statements, and the verdicts of the reproduced numbers on them."""
    has_beside = any(claim.beside is not None for claim in document.claims)
    lines = [
        [
            escape.inline(claim.says),
            escape.inline(claim.where),
            escape.inline(claim.column or words.NONE),
            words.verdict(claim),
            escape.inline(claim.why),
            *([escape.inline(words.beside(claim))] if has_beside else []),
            *words.tested(claim),
        ]
        for claim in document.claims
    ]
    headers = ["claim", "where", "column", "verdict", "because"]
    headers += ["like with like"] if has_beside else []
    left = len(headers)
    return _grid(lines, [*headers, "p", "adjusted p", "seeds for 80 % power"], left)


def _claims(document: Document) -> str:
    """The claims, and before them how they are judged together."""
    if not document.claims:
        return ""
    return "\n\n".join([*map(escape.line, multiplicity.expected(document)), claims(document)])


def order(document: Document) -> list[str]:
    """Whether the yardstick is in order: each step above the one before."""
    lines = []
    for check in document.order:
        steps = [f"{escape.inline(s.label)} {_range(s.low, s.high)}" for s in check.steps]
        name = escape.line(check.column)
        if check.block is not None:
            name += f" ({escape.inline(words.block_name(check.block))})"
        lines.append(f"{name}: {' < '.join(steps)}: {words.in_order(check.holds)}.")
    return lines


def _range(low: float | None, high: float | None) -> str:
    return " to ".join(dict.fromkeys([words.percent(low), words.percent(high)]))


def costs(document: Document) -> str:
    """What the finished runs cost, by stage."""
    lines = [
        [
            escape.inline(cost.stage),
            f"{cost.num_done} of {cost.num_runs}",
            str(cost.num_attempts),
            f"{cost.hours:.2f}",
            words.NONE if cost.clips_per_second is None else f"{cost.clips_per_second:,.0f}",
            words.percent(cost.peak_gib),
            escape.inline("; ".join(cost.where) or words.NONE),
        ]
        for cost in document.costs
    ]
    done, hours = sum(c.num_done for c in document.costs), sum(c.hours for c in document.costs)
    lines.append(["all", f"{done} of {document.num_runs}", "", f"{hours:.2f}", "", "", ""])
    unit = f"{escape.inline(document.cost_unit)} hours"
    headers = ["stage", "runs", "attempts", unit, "clips per second", "peak GiB", "where"]
    return _grid(lines, headers)


def facts(document: Document) -> str:
    """What each row was here; empty if the document does not say."""
    if not document.facts:
        return ""
    return _grid(
        [list(map(escape.inline, words.facts(document, one))) for one in document.facts],
        words.FACTS,
        left=words.FACTS.index("clips per item"),
    )


def markdown(document: Document) -> str:
    """The whole document."""
    measured = [
        f"**{escape.inline('; '.join(m.columns))}**: {escape.inline(m.says)}."
        for m in document.measured
    ]
    data = [
        escape.line(d.says) + (f"; [two of every class]({d.sheet})." if d.sheet else ".")
        for d in document.data
    ]
    damaged = [f"{escape.code(d.run)}: {escape.inline(d.says)}." for d in document.damaged]
    other_code = [f"{escape.code(o.run)} {escape.inline(o.says)}." for o in document.other_code]
    sections: list[tuple[str, str]] = [
        ("What each row was here", facts(document)),
        ("What this scale changes", _list(map(escape.line, document.changes))),
        ("How each column is measured", _list(measured)),
        ("Claims", _claims(document)),
        ("Controls", _list(order(document))),
        ("The paper against itself", _list(map(escape.line, document.paper_check))),
        ("Data", _list(data)),
        ("Cost", f"{words.sharing(document)} [What they took]({document.name}.cost.md)."),
        ("Provenance", _list(map(escape.line, document.provenance))),
        ("Damaged runs", _list(damaged)),
        ("Results of other code", _list(other_code)),
    ]
    unavailable = [
        escape.line(f"{row.full_label}: {row.note}")
        for row in document.rows
        if row.note is not None
    ]
    unavailable += [escape.line(f"{line}.") for line in document.not_measured]
    warning = words.unlike_processors(document)
    heading, title = escape.inline(document.heading), escape.inline(document.title)
    plot = f"![Every column of {heading}]({document.plot})"
    figure = f"![Neighbours of some items in both modalities]({document.figure})"
    parts = [
        f"# {heading}: {title} (scale: {escape.inline(document.scale)})",
        f"Section {escape.inline(document.section)} of the paper."
        f" {' '.join(words.legend(document, CELL))}"
        f" **{escape.inline(document.compared)}**",
        *([escape.inline(document.part)] if document.part is not None else []),
        main_table(document),
        *([escape.line(document.covers)] if document.covers else []),
        *([f"**{escape.inline(warning)}**"] if warning else []),
        *([_list(unavailable)] if unavailable else []),
        *([plot] if document.plot is not None else []),
        *([figure] if document.figure is not None else []),
        *(f"## {title}\n\n{text}" for title, text in sections if text),
    ]
    return "\n\n".join(parts) + "\n"


def cost_markdown(document: Document) -> str:
    """Time, memory and place: they differ between launches whose results are equal."""
    scale = escape.inline(document.scale)
    parts = [
        f"# {escape.inline(document.heading)}: cost (scale: {scale})",
        costs(document),
    ]
    if document.row_costs:
        parts += [escape.line(words.row_costs(document)), row_costs(document)]
    return "\n\n".join(parts) + "\n"


def row_costs(document: Document) -> str:
    """What the pretraining of each row took."""
    rows = [
        [escape.inline(cost.label), str(cost.num_done), f"{3600 * cost.hours:,.0f}"]
        for cost in document.row_costs
    ]
    return _grid(rows, ["row", "seeds", "seconds"])
