"""One judged table as a reader sees it: numbers, verdicts and sentences, and nothing else.

Markdown, plots and the report page are made from a document alone. It holds no time, no path and no
home folder, so that equal results give equal bytes. All values are percentages.
"""

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from benchmarks.render.claim import Claim
from benchmarks.render.row_facts import DescribedRow, RowCost
from benchmarks.results.verdict import Family

Kind = Literal["paper", "control", "chance"]


@dataclass(frozen=True)
class Column:
    """One measured quantity.

    Attributes:
        name: its key in the table's file.
        label: what a reader calls it.
        reads: label of the column whose reported values this one reads in another way.
        tolerance: points around the reported value that count as a match.
        reported: whether the paper gives values for it.
    """

    name: str
    label: str
    reads: str | None
    tolerance: float | None
    reported: bool


@dataclass(frozen=True)
class Cell:
    """One row in one column.

    Attributes:
        verdict: of :mod:`benchmarks.results.verdict`, or ``cited``, ``cannot run``, ``chance``.
            ``not measured`` is a cell that the table leaves out.
        paper: the reported value; of the column that is read another way, where one is.
        bold: the paper prints it in bold.
        values: one per seed; of chance, its lowest and highest over the rows.
        mean: of the seeds.
        half_width: of the 95 % interval; None for one seed.
        delta: ``mean`` - ``paper``, where absolute numbers are compared.
        seeds_for_power: for 80 % power to find a match, if the cell is open.
        chance: the value by chance, where its distance is printed beside the cell's.
    """

    verdict: str
    paper: float | None = None
    bold: bool = False
    values: tuple[float, ...] = ()
    mean: float | None = None
    half_width: float | None = None
    delta: float | None = None
    seeds_for_power: int | None = None
    chance: float | None = None


@dataclass(frozen=True)
class Row:
    """One system, a control, or chance.

    Attributes:
        name: its key in the table's file.
        label: what a reader calls it.
        kind: ``paper`` for a system, ``control`` or ``chance``.
        block: the part of the table it belongs to; None if there is one part, or for all parts.
        about: values of the document's describing columns.
        at: the axis setting in the paper and here, for a table with an axis.
        note: why it cannot run.
        cells: one per column.
    """

    name: str
    label: str
    kind: Kind
    block: str | None
    about: tuple[str, ...]
    at: tuple[int, int] | None
    note: str | None
    cells: tuple[Cell, ...]

    @property
    def full_label(self) -> str:
        """The label with what else describes the row."""
        return ", ".join([self.label, *filter(None, self.about)])


@dataclass(frozen=True)
class Step:
    """Lowest and highest value of one step of an order; None where there is none."""

    label: str
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Order:
    """Whether each step lies above the one before; None while a value is missing."""

    column: str
    block: str | None
    steps: tuple[Step, ...]
    holds: bool | None


@dataclass(frozen=True)
class Measured:
    """How some columns are measured."""

    columns: tuple[str, ...]
    says: str


@dataclass(frozen=True)
class Data:
    """What stood in for a corpus, and the file name of the picture of what is in it."""

    says: str
    sheet: str | None


@dataclass(frozen=True)
class Cost:
    """What the finished runs of one stage cost.

    Attributes:
        stage: its name.
        num_done: finished runs.
        num_runs: runs that the table rests on.
        num_attempts: executions, interrupted ones included.
        hours: device hours of the finished runs, all ranks counted.
        clips_per_second: their median; None if the stage encodes nothing.
        peak_gib: the largest; None if it was not measured.
        where: sites, with ranks and nodes if there were several.
    """

    stage: str
    num_done: int
    num_runs: int
    num_attempts: int
    hours: float
    clips_per_second: float | None
    peak_gib: float | None
    where: tuple[str, ...] = ()


@dataclass(frozen=True)
class Curve:
    """The loss of one pretraining phase, thinned out.

    Attributes:
        rows: labels of the rows that rest on it.
        phase: of the pretraining.
        seed: whose curve it is.
        steps: of the optimiser.
        terms: the loss and its parts, one value per step, rounded to four digits.
    """

    rows: tuple[str, ...]
    phase: str
    seed: int
    steps: tuple[int, ...]
    terms: dict[str, tuple[float, ...]]


@dataclass(frozen=True)
class OtherCode:
    """A result in the table that other code than the present one made."""

    run: str
    says: str


@dataclass(frozen=True)
class Damaged:
    """A run whose records cannot be believed, and why; its number is not shown."""

    run: str
    says: str


@dataclass(frozen=True)
class Document:
    """One judged table.

    Attributes:
        name: stem of its files.
        heading: what a reader calls it.
        title: what it is about.
        section: of the paper.
        scale: its name.
        compares: whether absolute numbers are compared with the paper's.
        compared: whether and why, in words.
        changes: what the scale changes.
        seeds: of every row.
        about: headers of the describing columns.
        axis: label of the setting that the rows vary.
        columns: the measured quantities.
        rows: per block the paper's, chance and the controls; then what holds for all blocks.
        claims: of the paper.
        order: checks of the controls.
        measured: the protocols.
        paper_check: what the paper's numbers say about themselves.
        data: the corpora.
        costs: by stage.
        cost_unit: what an hour is an hour of.
        num_runs: that the table rests on.
        num_unshared: that it would take if equal runs were not shared.
        provenance: what made the numbers.
        other_code: results that stand in, or were accepted.
        curves: of the pretrainings with the first seed.
        plot: file name of the plot of the table; None if it could not be drawn.
        figure: file name of the picture of neighbours.
        damaged: runs whose records cannot be believed.
        part: which part of the table it shows, in a sentence; None: all of it.
        claims_family: of the claims that are judged; None if there are none.
        cells_family: of the cells that are compared with printed numbers.
        covers: which sources of variation the intervals cover, in a sentence.
        processors: that the runs were made on.
        facts: what each row was here; empty if all rows of the paper were the same.
        row_costs: what the pretraining of each row took.
        not_measured: which cells the table leaves out, and why.
    """

    name: str
    heading: str
    title: str
    section: str
    scale: str
    compares: bool
    compared: str
    changes: tuple[str, ...]
    seeds: tuple[int, ...]
    about: tuple[str, ...]
    axis: str | None
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    claims: tuple[Claim, ...]
    order: tuple[Order, ...]
    measured: tuple[Measured, ...]
    paper_check: tuple[str, ...]
    data: tuple[Data, ...]
    costs: tuple[Cost, ...]
    cost_unit: str
    num_runs: int
    num_unshared: int
    provenance: tuple[str, ...]
    other_code: tuple[OtherCode, ...]
    curves: tuple[Curve, ...]
    plot: str | None
    figure: str | None
    damaged: tuple[Damaged, ...] = ()
    part: str | None = None
    claims_family: Family | None = None
    cells_family: Family | None = None
    covers: str = ""
    processors: tuple[str, ...] = ()
    facts: tuple[DescribedRow, ...] = ()
    row_costs: tuple[RowCost, ...] = ()
    not_measured: tuple[str, ...] = ()

    @property
    def blocks(self) -> list[str | None]:
        """Blocks in the order of their rows."""
        return list(dict.fromkeys(row.block for row in self.rows))

    @property
    def block_headings(self) -> bool:
        """Whether blocks need a heading: there are several, and no column tells them apart."""
        return len(self.blocks) > 1 and not self.about


def without(document: Document, pictures: Collection[str]) -> Document:
    """The document without the pictures of these file names."""
    return dataclasses.replace(
        document,
        plot=None if document.plot in pictures else document.plot,
        figure=None if document.figure in pictures else document.figure,
        data=tuple(Data(d.says, None if d.sheet in pictures else d.sheet) for d in document.data),
    )
