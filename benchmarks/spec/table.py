"""Table files as validated objects."""

# ruff: noqa: RUF012 (pydantic copies a mutable default for each object)

import math
from typing import Annotated, Any

from pydantic import Field, PrivateAttr, model_validator

from benchmarks.spec.base import Name, Spec
from benchmarks.spec.claim import ClaimSpec, Inference
from slurm.strict_yaml import KeyPath, SpecError, YamlFile

Percent = Annotated[float, Field(ge=0, le=100, strict=True)]
Settings = dict[str, Any]
Fold = Annotated[int, Field(ge=1)]
Seeds = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]

ROMAN = ("I", "II", "III", "IV", "V", "VI")


def overlay(base: Settings, over: Settings) -> Settings:
    """The settings of ``base`` with those of ``over`` in their place, mappings merged key by key.

    A list is one value: it is replaced as a whole.
    """
    merged = {**base, **over}
    for key in base.keys() & over.keys():
        if isinstance(base[key], dict) and isinstance(over[key], dict):
            merged[key] = overlay(base[key], over[key])
    return merged


class Measurement(Spec):
    """How something is measured: a stage on a corpus, and what differs from its defaults."""

    stage: str
    corpus: Name
    fold: Fold | Annotated[list[Fold], Field(min_length=1)]  # several are averaged per seed
    settings: Settings = {}  # settings of the stage
    features: Settings = {}  # settings of the feature runs that the stage reads
    pretrain: Settings = {}  # settings in place of the row's
    # Part of the official test list that must be evaluated to compare with the paper's number.
    coverage: Annotated[float, Field(gt=0, le=1)] = 0.99

    @property
    def folds(self) -> list[int]:
        """The folds; a seed's value is their mean."""
        return [self.fold] if isinstance(self.fold, int) else self.fold


class ColumnSpec(Spec):
    """One measured quantity."""

    label: str
    protocol: Name
    metric: str
    tolerance: Annotated[float, Field(gt=0)] | None = None  # points around the reported value
    num_test: Annotated[int, Field(ge=1)] | None = None  # items that an accuracy is counted over
    num_groups: Annotated[int, Field(ge=1)] | None = None  # of test items, such as clips of a video
    # Of hits within a group, intraclass; without it the items count as independent.
    group_correlation: Annotated[float, Field(ge=0, le=1)] | None = None
    beside_chance: bool = False  # print the value's distance from chance beside it
    reading_of: Name | None = None  # another reading of that column's reported values

    @model_validator(mode="after")
    def _groups(self) -> "ColumnSpec":
        if (self.num_groups is None) != (self.group_correlation is None):
            raise ValueError("num_groups and group_correlation need each other")
        if self.num_groups is not None and self.num_test is None:
            raise ValueError("num_groups needs num_test, the items that the groups are of")
        if (self.num_groups or 0) > (self.num_test or math.inf):
            raise ValueError(f"num_groups is {self.num_groups}: more than the test items")
        return self


class RowSpec(Spec):
    """One system; a row holds only what differs from the table's defaults."""

    label: str
    about: dict[str, str] = {}  # further columns of the paper that describe the row
    block: Name | None = None  # bold marks and comparisons hold within a block of the paper's rows
    corpus: Name | None = None  # that it is measured on, in place of the protocols' corpora
    clip: Settings = {}  # for its pretraining and every stage that reads clips for its encoder
    pretrain: Settings = {}
    evaluate: dict[Name, Settings] = {}  # protocol -> settings of its stage
    reported: dict[Name, Percent] = {}
    bold: list[Name] = []
    not_measured: dict[Name, str] = {}  # column -> why the row has no value there
    # Its epochs are those of the scale over this, rounded up: for a method that encodes more clips.
    epochs_divided_by: Annotated[int, Field(ge=1)] = 1
    cited: bool = False  # reported by others; nobody here runs it
    unavailable: str | None = None  # why it cannot run

    @property
    def runs(self) -> bool:
        """Whether the suite runs it."""
        return not self.cited and self.unavailable is None


class Repeat(Spec):
    """A number that the paper prints in two places."""

    row: Name
    column: Name
    table: Annotated[int, Field(ge=1, le=len(ROMAN))]
    with_row: Name
    with_column: Name
    says: str  # what the two have in common, and what may differ


class Paper(Spec):
    """Where the table stands in the paper."""

    section: str
    repeats: list[Repeat] = []
    notes: list[str] = []  # what else the paper says about these numbers


class Defaults(Spec):
    """Settings of every row."""

    seeds: Seeds
    pretrain: Settings
    clip: Settings = {}


class Axis(Spec):
    """The setting that the rows vary, for the plot."""

    setting: str
    label: str


class Figure(Spec):
    """A picture, drawn from the files of one row's runs of a protocol."""

    row: Name
    protocol: Name


class Table(Spec):
    """One table of the paper, or one of this suite's own."""

    table: Annotated[int, Field(ge=1, le=len(ROMAN))] | Name
    label: str | None = None  # the name of a table without a number
    title: str
    paper: Paper
    defaults: Defaults
    protocols: Annotated[dict[Name, Measurement], Field(min_length=1)]
    columns: Annotated[dict[Name, ColumnSpec], Field(min_length=1)]
    rows: Annotated[dict[Name, RowSpec], Field(min_length=1)]
    controls: dict[Name, RowSpec] = {}
    order: list[Name] = []  # ascending: chance, rows or controls by name, or all the paper's "rows"
    claims: list[ClaimSpec] = []
    inference: Inference | None = None  # None only if no claim is judged
    axis: Axis | None = None
    figure: Figure | None = None
    _file: YamlFile = PrivateAttr()
    _part: str | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _called(self) -> "Table":
        if isinstance(self.table, int) != (self.label is None):
            raise ValueError("a table without a number needs a label, and no other has one")
        return self

    @property
    def name(self) -> str:
        """The stem of its file."""
        return f"table{self.table}" if isinstance(self.table, int) else self.table

    @property
    def heading(self) -> str:
        """The name of the table for a reader."""
        if isinstance(self.table, int):
            return f"Table {ROMAN[self.table - 1]}"
        assert self.label is not None
        return self.label

    @property
    def part(self) -> str | None:
        """Which part of the table it is, in a sentence; None: it is whole."""
        return self._part

    @property
    def all_rows(self) -> dict[str, RowSpec]:
        """The paper's rows, then the controls."""
        return {**self.rows, **self.controls}

    def section(self, row: str) -> str:
        """The part of the file that holds a row."""
        return "rows" if row in self.rows else "controls"

    @property
    def blocks(self) -> list[str | None]:
        """Blocks of the paper's rows, in order."""
        return list(dict.fromkeys(row.block for row in self.rows.values()))

    def rivals(self, row: str) -> list[str]:
        """The paper's other rows of a row's block."""
        block = self.rows[row].block
        return [name for name, other in self.rows.items() if name != row and other.block == block]

    def compared(self, claim: ClaimSpec) -> list[str]:
        """The rows and controls that a judged claim compares, those without a number left out."""
        assert claim.column is not None
        if claim.best is not None:
            names = [claim.best, *(claim.among or self.rivals(claim.best))]
        else:
            names = claim.names or list(self.rows)
        rows = self.all_rows
        return [
            name
            for name in names
            if claim.column not in rows[name].not_measured
            and (rows[name].runs or claim.column in rows[name].reported)
        ]

    def step(self, name: str, block: str | None) -> list[str]:
        """The rows that a step of ``order`` means in a block.

        A row holds for every block, unless one is named after the step and the block.
        """
        if name == "rows":
            return [r for r, row in self.rows.items() if row.block == block and row.runs]
        return [known for known in (f"{name}_{block}", name) if known in self.all_rows][:1]

    def protocol(self, column: str) -> Measurement:
        """How a column is measured."""
        return self.protocols[self.columns[column].protocol]

    def pretrain(self, row: str, protocol: str | None = None) -> Settings:
        """The flat pretraining settings of a row: defaults, the row's, and the protocol's.

        A row with another method starts from that method's own defaults.
        """
        own, default = self.all_rows[row].pretrain, self.defaults.pretrain
        last = self.protocols[protocol].pretrain if protocol is not None else {}
        if own.get("method", default["method"]) != default["method"]:
            default = {k: v for k, v in default.items() if k in PRETRAIN_KEYS}
            last = {k: v for k, v in last.items() if k in PRETRAIN_KEYS}
        return overlay(overlay(default, own), last)

    def clip(self, row: str) -> Settings:
        """The settings of a row's clips: the defaults', and the row's over them."""
        return overlay(self.defaults.clip, self.all_rows[row].clip)

    def corpus(self, row: str, protocol: str) -> str:
        """The corpus that a row is measured on."""
        return self.all_rows[row].corpus or self.protocols[protocol].corpus

    def error(self, where: KeyPath, message: str) -> SpecError:
        """An error at a key of the table's file."""
        return self._file.error(where, message)

    def setting_error(self, row: str, key: str, message: str) -> SpecError:
        """An error about a pretraining setting of a row, at the line that sets it."""
        section = self.section(row)
        own = key in self.all_rows[row].pretrain
        if own or key in self.defaults.pretrain:
            path = (section, row, "pretrain", key) if own else ("defaults", "pretrain", key)
            return self.error(path, message)
        for name, protocol in self.protocols.items():
            if key in protocol.pretrain:
                return self.error(("protocols", name, "pretrain", key), message)
        return self.error((section, row), message)


PRETRAIN_KEYS = frozenset(
    [
        "method",
        "corpus",
        "length",
        "clips_per_item",
        "silent_items",
        "pairing",
        "keep_instance_head",
        "keep_optimiser",
        "augmentation",
        "encoders",
        "optimisation",
    ]
)
"""Pretraining settings that belong to no method; all other keys of a row are the method's."""
