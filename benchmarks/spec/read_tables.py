"""Finding and checking table files; every error names file and line."""

import re
from collections.abc import Sequence
from pathlib import Path

from benchmarks.spec.claim import CHANCE
from benchmarks.spec.table import ROMAN, ColumnSpec, RowSpec, Settings, Table
from slurm.strict_yaml import KeyPath, SpecError, YamlFile, load, unknown


def load_table(path: Path) -> Table:
    """Read and check a table file.

    Raises:
        SpecError: with file and line, at the first mistake.
    """
    file = load(path)
    table = file.validate(Table)
    table._file = file
    if path.stem != table.name:
        raise file.error(("table",), f"table is {table.table}, but the file is {path.name}")
    for section, rows in (("rows", table.rows), ("controls", table.controls)):
        for name, row in rows.items():
            _check_row(table, file, section, name, row)
    if _repeats(table.defaults.seeds):
        raise file.error(("defaults", "seeds"), f"seeds {table.defaults.seeds}: a seed repeats")
    for name, protocol in table.protocols.items():
        if _repeats(protocol.folds):
            message = f"fold {protocol.folds}: a fold repeats"
            raise file.error(("protocols", name, "fold"), message)
    for name, column in table.columns.items():
        _check_column(table, file, name, column)
    for name in table.protocols:
        if name not in {column.protocol for column in table.columns.values()}:
            raise file.error(("protocols", name), f"no column uses protocol {name!r}")
    _check_claims(table, file)
    for i, repeat in enumerate(table.paper.repeats):
        if repeat.row not in table.rows or repeat.column not in table.rows[repeat.row].reported:
            message = f"{repeat.row!r} has no reported {repeat.column!r}"
            raise file.error(("paper", "repeats", i), message)
    for i, name in enumerate(table.order):
        steps = ["chance", "rows", *table.all_rows]
        if name != "chance" and not all(table.step(name, block) for block in table.blocks):
            raise unknown(file, ("order", i), name, steps)
    if table.figure is not None:
        for key, known in (("row", table.rows), ("protocol", table.protocols)):
            if (value := getattr(table.figure, key)) not in known:
                raise unknown(file, ("figure", key), value, dict(known))
    if "method" not in table.defaults.pretrain or "corpus" not in table.defaults.pretrain:
        raise file.error(("defaults", "pretrain"), "pretrain needs a method and a corpus")
    _check_clip(table)
    for name in table.all_rows:
        for key in ("method", "corpus"):
            if not isinstance(value := table.pretrain(name)[key], str):
                raise table.setting_error(name, key, f"{key} is {value!r}: a name is expected")
    if table.axis is not None:
        _check_axis(table, table.axis.setting)
    return table


def _repeats(values: list[int]) -> bool:
    return len(set(values)) < len(values)


def _check_clip(table: Table) -> None:
    for name, row in table.all_rows.items():
        for key, value in row.clip.items():
            if table.defaults.clip.get(key) == value:
                message = f"{key}: {value!r} overrides nothing, the table's default is the same"
                raise table.error((table.section(name), name, "clip", key), message)
    sources: list[tuple[KeyPath, Settings]] = [(("defaults", "pretrain"), table.defaults.pretrain)]
    sources += [((table.section(n), n, "pretrain"), r.pretrain) for n, r in table.all_rows.items()]
    sources += [(("protocols", n, "pretrain"), p.pretrain) for n, p in table.protocols.items()]
    for where, settings in sources:
        if "clip" in settings:
            message = "clip is a key of the row, beside pretrain: every stage of a row has the same"
            raise table.error((*where, "clip"), message)


def _check_axis(table: Table, setting: str) -> None:
    values = {r: table.pretrain(r)[setting] for r in table.rows if setting in table.pretrain(r)}
    if not values:
        raise table.error(("axis", "setting"), f"no row has the setting {setting!r}")
    for row, value in values.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            message = f"{setting} is {value!r}: the plot's axis needs a whole number above 0"
            raise table.setting_error(row, setting, message)


def _check_column(table: Table, file: YamlFile, name: str, column: ColumnSpec) -> None:
    where: KeyPath = ("columns", name)
    if column.protocol not in table.protocols:
        raise unknown(file, (*where, "protocol"), column.protocol, dict(table.protocols))
    reported = any(name in row.reported for row in table.rows.values())
    if column.reading_of is not None:
        if column.reading_of not in table.columns:
            raise unknown(file, (*where, "reading_of"), column.reading_of, table.columns)
        if reported:
            raise file.error(where, f"{name!r} reads another column: it has no own numbers")
    if (column.tolerance is None) and (reported or column.reading_of is not None):
        raise file.error(where, "a column with reported values needs a tolerance")


def _check_claims(table: Table, file: YamlFile) -> None:
    judged = any(claim.untested is None for claim in table.claims)
    if judged and table.inference is None:
        raise file.error(("claims",), "claims that are judged need inference, which fixes how")
    if table.inference is not None and not judged:
        raise file.error(("inference",), "no claim of the table is judged: it has no use")
    for i, claim in enumerate(table.claims):
        for key in ("column", "beside"):
            column = getattr(claim, key)
            if column is not None and column not in table.columns:
                raise unknown(file, ("claims", i, key), column, table.columns)
        for key in ("above", "not_above"):
            if (names := getattr(claim, key)) is not None and CHANCE in names[:-1]:
                message = f"{CHANCE} may stand last only: rows are above it, or not"
                raise file.error(("claims", i, key), message)
        for named in claim.names:
            legal = table.rows if named == claim.best else table.all_rows
            if named not in legal:
                raise unknown(file, ("claims", i), named, legal)
            for column in (claim.column, claim.beside):
                if column in table.all_rows[named].not_measured:
                    message = f"{named!r} is not measured in {column!r}, so nothing is compared"
                    raise file.error(("claims", i), message)


def _check_row(table: Table, file: YamlFile, section: str, name: str, row: RowSpec) -> None:
    if name in (CHANCE, "rows"):
        raise file.error((section, name), f"{name!r} has a meaning of its own in order and claims")
    if section == "controls" and name in table.rows:
        raise file.error((section, name), f"{name!r} is a row already")
    for field, columns in (("reported", list(row.reported)), ("bold", row.bold)):
        for i, column in enumerate(columns):
            where = (section, name, field, column if field == "reported" else i)
            if column not in table.columns:
                raise unknown(file, where, column, table.columns)
            if field == "bold" and column not in row.reported:
                raise file.error(where, f"{column!r} is bold but has no reported value")
    for column in row.not_measured:
        if column not in table.columns:
            raise unknown(file, (section, name, "not_measured", column), column, table.columns)
    if row.runs and row.not_measured.keys() >= table.columns.keys():
        raise file.error((section, name, "not_measured"), f"{name!r} is measured in no column")
    if section == "controls" and (row.reported or row.cited):
        raise file.error((section, name), "a control is not in the paper: it has no reported value")
    for protocol in row.evaluate:
        if protocol not in table.protocols:
            where = (section, name, "evaluate", protocol)
            raise unknown(file, where, protocol, dict(table.protocols))
    default = table.defaults.pretrain
    for key, value in row.pretrain.items():
        if key in default and default[key] == value:
            message = f"{key}: {value!r} overrides nothing, the table's default is the same"
            raise file.error((section, name, "pretrain", key), message)


def load_all(folder: Path) -> list[Table]:
    """All tables of a folder, by name."""
    return [load_table(path) for path in sorted(folder.glob("*.yaml"))]


def find_tables(folder: Path, wanted: Sequence[str]) -> list[Table]:
    """The tables that ``wanted`` names: numbers, Roman or Arabic, other names, or ``all`` six.

    Raises:
        SpecError: if there is no such table, or one is asked for twice.
    """
    known = {path.stem: path for path in sorted(folder.glob("*.yaml"))}
    numbered = [name for name in known if re.fullmatch(r"table\d", name)]
    named: list[str] = []
    for word in wanted:
        number = str(ROMAN.index(word.upper()) + 1) if word.upper() in ROMAN else word
        names = numbered if word == "all" else [f"table{number}" if number.isdigit() else word]
        for name in names:
            if name not in known:
                numerals = [ROMAN[int(n.removeprefix("table")) - 1] for n in numbered]
                legal = [*numerals, *(n for n in known if n not in numbered), "all"]
                raise SpecError(f"unknown table {word!r}; known: {', '.join(legal)}")
            if name in named:
                raise SpecError(f"table {word!r} is asked for twice")
            named.append(name)
    return [load_table(known[name]) for name in named]
