"""A document with everything that a table can have: blocks, readings, cited rows, gaps."""

import dataclasses

from benchmarks.render.claim import Claim, Tested
from benchmarks.render.document import (
    Cell,
    Column,
    Cost,
    Curve,
    Damaged,
    Data,
    Document,
    Measured,
    Order,
    OtherCode,
    Row,
    Step,
)
from benchmarks.render.row_facts import DescribedRow, Encodings, RowCost
from benchmarks.results.verdict import Family


def measured(
    mean: float, paper: float | None = None, bold: bool = False, verdict: str = "not compared"
) -> Cell:
    """A cell of three seeds."""
    return Cell(verdict, paper, bold, (mean - 1.0, mean, mean + 1.0), mean, 2.484)


def row(name: str, block: str, *cells: Cell, kind: str = "paper", note: str | None = None) -> Row:
    """A row whose label is made from its name."""
    label = name.replace("_", " ")
    return Row(name, label, kind, block, (), None, note, cells)  # type: ignore[arg-type]


def claims() -> tuple[Claim, ...]:
    """One of every kind: with like with like beside it, exploratory, untested, open."""
    tested = Tested("nmi: alone - both", 0.0004, 0.0012)
    beside = Claim(
        *("both | together are best", "IV-D.2", "NMI, k-means", "open", "+1 ± 2"),
        tested=Tested("nmi_kmeans: alone - both", 0.04, 0.08),
    )
    return (
        Claim(
            *("both | together are best", "IV-D.2", "NMI", "holds", "both - alone = +6 ± 2"),
            tested=tested,
            beside=beside,
        ),
        Claim(
            *("alone is best", "bold mark", "NMI", "reversed", "alone - both = -6 ± 2"),
            tested=tested,
            is_exploratory=True,
        ),
        Claim("it is fast", "abstract", None, "untested", "no time is given"),
        Claim(
            *("they are near", "IV", "AMI", "open", "both - alone = +1 ± 2, to be within 2"),
            tested=Tested("ami: alone - both within 2", 0.3, 0.3, 12),
        ),
    )


def facts() -> tuple[DescribedRow, ...]:
    """Of two rows; the encodings of one of them are not known."""
    encoders, samples = ("video: net <1>",), ("video", "audio")
    some, unknown = Encodings(1, 2, 12_345), Encodings(3, 3, None)
    return (
        DescribedRow("both", "both", "hmdb51", "A|B", encoders, samples, "adam, 0.001", some),
        DescribedRow("other", "other", "ucf101", "C", (), ("video:1",), "sgd", unknown),
    )


def sample() -> Document:
    """Two blocks; the second column reads the first in another way, the third is ours."""
    chance = Cell("chance", values=(4.0, 6.5))
    gap = Cell("incomplete", 46.0)
    return Document(
        name="table2",
        heading="Table II",
        title="Losses <alone> & together",
        section="IV-D.2",
        scale="desk",
        compares=False,
        compared="Absolute numbers are not compared at this scale.",
        changes=("Clips are smaller.",),
        seeds=(0, 1, 2),
        about=(),
        axis=None,
        columns=(
            Column("nmi", "NMI", None, 2.0, True),
            Column("nmi_kmeans", "NMI, k-means", "NMI", 2.0, True),
            Column("ami", "AMI", None, None, False),
        ),
        rows=(
            row("both", "hmdb51", measured(52.0, 52.3, True), measured(50.0, 52.3), measured(9.0)),
            row("alone", "hmdb51", gap, Cell("not applicable", 46.0), Cell("failed")),
            row("chance", "hmdb51", chance, chance, chance, kind="chance"),
            row("other_system", "ucf101", Cell("cited", 70.0), Cell("cited"), Cell("cited")),
            row("gone", "ucf101", *[Cell("cannot run")] * 3, note="the data is not public"),
            row("random_init", "ucf101", *[measured(20.0)] * 3, kind="control"),
        ),
        claims=claims(),
        order=(
            Order("NMI", "hmdb51", (Step("chance", 4.0, 6.5), Step("rows", 46.0, 52.0)), True),
            Order("NMI", "ucf101", (Step("chance", 4.0, 4.0), Step("rows", None, None)), None),
        ),
        measured=(Measured(("NMI", "AMI"), "nmi, ami in percent, by clustering"),),
        paper_check=("Bold is the best value.",),
        data=(Data("ucf101: 12 of 12 generated clips usable", "ucf101.png"),),
        costs=(
            Cost("pretrain", 3, 4, 5, 1.5, 100.0, 0.5),
            Cost("linear", 0, 1, 0, 0.0, None, None),
        ),
        cost_unit="CPU core",
        num_runs=5,
        num_unshared=9,
        provenance=("commit 0123456789",),
        damaged=(Damaged("linear-iicl-y", "result.json is damaged: it is empty"),),
        other_code=(OtherCode("linear-iicl-x", "was made by other code"),),
        curves=(Curve(("both",), "co_training", 0, (0, 5), {"total": (2.5, 1.25)}),),
        plot="table2.png",
        figure=None,
        claims_family=Family(3, 0.05),
        covers="Intervals cover: training seed (0 to 2).",
        facts=facts(),
        row_costs=(RowCost("both", 3, 0.5),),
        not_measured=("AMI of other: it has | no clusters",),
        processors=("a processor: avx2; 1 thread", "another processor: avx2; 1 thread"),
    )


def over_an_axis() -> Document:
    """The same numbers over the number of clusters."""
    document = sample()
    rows = tuple(
        dataclasses.replace(row, block=None, at=(100 * 2**i, 12 * 2**i))
        for i, row in enumerate(document.rows)
    )
    return dataclasses.replace(document, axis="number of clusters C", rows=rows)
