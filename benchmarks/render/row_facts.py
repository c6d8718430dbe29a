"""What a row of a document was here, and what its pretraining took."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Encodings:
    """How much of an item passes through the encoders.

    Attributes:
        clips: of an item that pass through the video encoder in a step.
        in_step: clips and sounds of an item that pass through an encoder in a step.
        in_all: clips and sounds that pass through an encoder in the whole pretraining; None if that
            is not known.
    """

    clips: int
    in_step: int
    in_all: int | None


@dataclass(frozen=True)
class DescribedRow:
    """What a row that runs here was.

    Attributes:
        row: its name.
        label: what a reader calls it.
        block: the part of the table it belongs to.
        system: the name of its method.
        encoders: of each view, in words.
        samples: that the method takes of an item.
        optimisation: how it descends, in words.
        encodings: how many there are.
    """

    row: str
    label: str
    block: str | None
    system: str
    encoders: tuple[str, ...]
    samples: tuple[str, ...]
    optimisation: str
    encodings: Encodings


@dataclass(frozen=True)
class RowCost:
    """What the finished pretrainings of a row took.

    Attributes:
        label: of the row.
        num_done: seeds whose pretraining is finished.
        hours: device hours of a seed's pretraining, the mean over these, all ranks counted.
    """

    label: str
    num_done: int
    hours: float
