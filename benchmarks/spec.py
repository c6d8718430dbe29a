"""Table files and scale files as validated objects; every error names file and line."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, model_validator

from benchmarks.strict_yaml import Document, KeyPath, SpecError, load

Percent = Annotated[float, Field(ge=0, le=100, strict=True)]
Settings = dict[str, Any]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Fold = Annotated[int, Field(ge=1)]
Seeds = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]

ROMAN = ("I", "II", "III", "IV", "V", "VI")


class _Spec(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Column(_Spec):
    """One measured quantity: which stage gives it, on what."""

    label: str
    stage: Literal["linear", "finetune", "retrieval"]
    corpus: Name
    fold: Fold | Annotated[list[Fold], Field(min_length=1)]  # several are averaged per seed
    metric: str
    tolerance: Annotated[float, Field(gt=0)]  # percentage points around the reported value
    num_test: Annotated[int, Field(ge=1)]  # videos the paper's number is measured on

    @property
    def folds(self) -> list[int]:
        """The folds that a seed's value is the mean of."""
        return [self.fold] if isinstance(self.fold, int) else self.fold


class Row(_Spec):
    """One system; a row holds only what differs from the table's defaults."""

    label: str
    pretrain: Settings = {}
    reported: dict[Name, Percent] = {}
    bold: list[Name] = []
    cited: bool = False  # reported by others; nobody here runs it
    unavailable: str | None = None  # why it cannot run


class Claim(_Spec):
    """Something the paper says that the table's numbers can decide, or why they cannot."""

    says: str
    where: str
    column: Name | None = None
    best: Name | None = None  # this row is above every other row of the paper
    differ: bool = False  # at least two rows of the paper differ
    untested: str | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> "Claim":
        kinds = [self.best is not None, self.differ, self.untested is not None]
        if sum(kinds) != 1:
            raise ValueError("a claim needs exactly one of best, differ, untested")
        if (self.column is None) != (self.untested is not None):
            raise ValueError("a claim needs a column, unless it is untested")
        return self


class Paper(_Spec):
    """Where the table stands in the paper."""

    section: str
    notes: list[str] = []  # what else in the paper bears on these numbers


class Defaults(_Spec):
    """What holds for every row."""

    seeds: Seeds
    pretrain: Settings


class Axis(_Spec):
    """The setting that the rows vary, for the plot."""

    setting: str
    label: str


class Table(_Spec):
    """One table of the paper."""

    table: Annotated[int, Field(ge=1, le=len(ROMAN))]
    title: str
    paper: Paper
    defaults: Defaults
    columns: Annotated[dict[Name, Column], Field(min_length=1)]
    rows: Annotated[dict[Name, Row], Field(min_length=1)]
    controls: dict[Name, Row] = {}
    order: list[Name] = []  # ascending: chance, controls, and "rows" for the paper's rows
    claims: list[Claim] = []
    axis: Axis | None = None
    _document: Document = PrivateAttr()

    @property
    def name(self) -> str:
        """The stem of its file."""
        return f"table{self.table}"

    @property
    def numeral(self) -> str:
        """Its number in the paper."""
        return ROMAN[self.table - 1]

    @property
    def all_rows(self) -> dict[str, Row]:
        """The paper's rows, then the controls."""
        return {**self.rows, **self.controls}

    def pretrain(self, row: str) -> Settings:
        """The flat pretraining settings of a row: the table's defaults and what the row changes.

        A row with another method starts from that method's own defaults.
        """
        ours, default = self.all_rows[row].pretrain, self.defaults.pretrain
        if ours.get("method", default["method"]) != default["method"]:
            default = {k: v for k, v in default.items() if k in PRETRAIN_KEYS}
        return {**default, **ours}

    def error(self, where: KeyPath, message: str) -> SpecError:
        """An error at a key of the table's file."""
        return self._document.error(where, message)

    def setting_error(self, row: str, key: str, message: str) -> SpecError:
        """An error about a pretraining setting of a row, at the line that sets it."""
        section = "rows" if row in self.rows else "controls"
        own = key in self.all_rows[row].pretrain
        return self.error(
            (section, row, "pretrain", key) if own else ("defaults", "pretrain", key), message
        )


PRETRAIN_KEYS = frozenset(
    [
        "method",
        "corpus",
        "length",
        "clips_per_item",
        "silent_items",
        "keep_instance_head",
        "keep_optimiser",
        "clip",
        "augmentation",
        "encoders",
        "optimisation",
    ]
)
"""Pretraining settings that belong to no method; every other key of a row is the method's."""


class Device(_Spec):
    """What a scale is meant to run on, and how fast it is assumed to be before it is measured."""

    unit: Literal["CPU core", "GPU"]
    sustained_gflops: Annotated[float, Field(gt=0)]
    origin: str


class Corpus(_Spec):
    """Where a corpus comes from when the command line does not say."""

    generate: Settings | None = None  # settings of the generator
    same_as: Name | None = None  # another corpus of this scale serves as this one
    counts: dict[str, Annotated[int, Field(ge=0)]] = {}  # usable items, for the cost before prepare

    @model_validator(mode="after")
    def _one_origin(self) -> "Corpus":
        if self.generate is not None and self.same_as is not None:
            raise ValueError("a corpus is generated or the same as another, not both")
        return self


class Scale(_Spec):
    """An overlay over the paper's settings that says what it changes and why."""

    scale: str
    says: Annotated[list[str], Field(min_length=1)]
    device: Device
    execution: Settings = {}  # how runs are carried out; never part of a run's identity
    preparation: Settings = {}
    corpora: Annotated[dict[Name, Corpus], Field(min_length=1)]
    encoder_stages: Settings = {}  # settings of every stage that runs an encoder
    stages: dict[Literal["pretrain", "features", "linear", "finetune", "retrieval"], Settings] = {}
    replace: dict[str, dict[int, int]] = {}  # setting -> the paper's value -> this scale's
    _document: Document = PrivateAttr()

    @property
    def compares(self) -> bool:
        """Whether absolute numbers may be compared with the paper's."""
        return self.scale == "paper"

    def error(self, where: KeyPath, message: str) -> SpecError:
        """An error at a key of the scale's file."""
        return self._document.error(where, message)


def load_table(path: Path) -> Table:
    """Read and check a table file.

    Raises:
        SpecError: with file and line, at the first mistake.
    """
    document = load(path)
    table = document.validate(Table)
    table._document = document
    if path.stem != table.name:
        raise document.error(("table",), f"table is {table.table}, but the file is {path.name}")
    for section, rows in (("rows", table.rows), ("controls", table.controls)):
        for name, row in rows.items():
            _check_row(table, document, section, name, row)
    if _repeats(table.defaults.seeds):
        raise document.error(("defaults", "seeds"), f"seeds {table.defaults.seeds}: a seed repeats")
    for name, column in table.columns.items():
        if _repeats(column.folds):
            message = f"fold {column.folds}: a fold repeats"
            raise document.error(("columns", name, "fold"), message)
    for i, claim in enumerate(table.claims):
        if claim.column is not None and claim.column not in table.columns:
            raise _unknown(document, ("claims", i, "column"), claim.column, table.columns)
        if claim.best is not None and claim.best not in table.rows:
            raise _unknown(document, ("claims", i, "best"), claim.best, table.rows)
    for i, name in enumerate(table.order):
        legal = {"chance": None, "rows": None, **table.controls}
        if name not in legal:
            raise _unknown(document, ("order", i), name, legal)
    if "method" not in table.defaults.pretrain or "corpus" not in table.defaults.pretrain:
        raise document.error(("defaults", "pretrain"), "pretrain needs a method and a corpus")
    for name in table.all_rows:
        for key in ("method", "corpus"):
            if not isinstance(value := table.pretrain(name)[key], str):
                raise table.setting_error(name, key, f"{key} is {value!r}: a name is expected")
    if table.axis is not None:
        _check_axis(table, table.axis.setting)
    return table


def _repeats(values: list[int]) -> bool:
    return len(set(values)) < len(values)


def _check_axis(table: Table, setting: str) -> None:
    values = {r: table.pretrain(r)[setting] for r in table.rows if setting in table.pretrain(r)}
    if not values:
        raise table.error(("axis", "setting"), f"no row has the setting {setting!r}")
    for row, value in values.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            message = f"{setting} is {value!r}: the plot's axis needs a whole number above 0"
            raise table.setting_error(row, setting, message)


def _check_row(table: Table, document: Document, section: str, name: str, row: Row) -> None:
    if section == "controls" and name in table.rows:
        raise document.error((section, name), f"{name!r} is a row already")
    for field, columns in (("reported", list(row.reported)), ("bold", row.bold)):
        for i, column in enumerate(columns):
            where = (section, name, field, column if field == "reported" else i)
            if column not in table.columns:
                raise _unknown(document, where, column, table.columns)
            if field == "bold" and column not in row.reported:
                raise document.error(where, f"{column!r} is bold but has no reported value")
    if section == "controls" and (row.reported or row.cited):
        raise document.error((section, name), "a control is ours: it has no reported value")
    default = table.defaults.pretrain
    for key, value in row.pretrain.items():
        if key in default and default[key] == value:
            message = f"{key}: {value!r} overrides nothing, the table's default is the same"
            raise document.error((section, name, "pretrain", key), message)


def _unknown(document: Document, where: Any, value: str, known: dict[str, Any]) -> SpecError:
    return document.error(where, f"unknown {value!r}; known: {', '.join(known)}")


def load_scale(path: Path) -> Scale:
    """Read and check a scale file.

    Raises:
        SpecError: with file and line, at the first mistake.
    """
    document = load(path)
    scale = document.validate(Scale)
    scale._document = document
    if path.stem != scale.scale:
        raise document.error(("scale",), f"scale is {scale.scale!r}, but the file is {path.name}")
    for name, corpus in scale.corpora.items():
        if corpus.same_as is not None and corpus.same_as not in scale.corpora:
            where = ("corpora", name, "same_as")
            raise _unknown(document, where, corpus.same_as, dict(scale.corpora))
    for name in scale.corpora:
        seen, at = {name}, name
        while (other := scale.corpora[at].same_as) is not None:
            if other in seen:
                raise document.error(("corpora", at, "same_as"), f"{other!r} leads back to itself")
            seen.add(other)
            at = other
    return scale


def find_tables(folder: Path, wanted: str) -> list[Table]:
    """The tables that ``wanted`` names: a Roman or Arabic number, or ``all``.

    Raises:
        SpecError: if there is no such table.
    """
    numbered = re.compile(r"table\d+$")
    paths = sorted(p for p in folder.glob("table*.yaml") if numbered.match(p.stem))
    known = {p.stem.removeprefix("table"): p for p in paths}
    if wanted == "all":
        return [load_table(path) for path in paths]
    number = str(ROMAN.index(wanted.upper()) + 1) if wanted.upper() in ROMAN else wanted
    if number not in known:
        legal = ", ".join(ROMAN[int(n) - 1] for n in known)
        raise SpecError(f"unknown table {wanted!r}; known: {legal}, all")
    return [load_table(known[number])]
