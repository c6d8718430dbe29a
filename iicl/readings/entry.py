"""One place where the paper is open or contradicts itself, and how this project reads it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Setting:
    """A field of a class of settings that an interpretation chooses.

    Attributes:
        field: class and field, e.g. "IICL.similarity".
        default: the value that follows from our reading; it is the default of the field.
        alternatives: other values worth measuring; for a number, examples.
    """

    field: str
    default: object
    alternatives: tuple[object, ...]


@dataclass(frozen=True)
class Interpretation:
    """One place where the paper can be read in several ways.

    Attributes:
        number: the number by which comments cite it, from 1.
        title: its subject.
        paper: what the paper says, with the section.
        default: our reading, and why.
        alternatives: other readings, and whether they are offered.
        settings: the fields that hold the choice; empty if there is no such field.
    """

    number: int
    title: str
    paper: str
    default: str
    alternatives: str
    settings: tuple[Setting, ...] = ()
