"""Reads the list files of corpora line by line, with bounded memory.

A list is UTF-8 text, or UTF-16 or UTF-32 if it begins with a byte order mark. Lines end in LF, CRLF
or CR. If a line cannot be read, the error is a ValueError with one short line of text that names
the file and the line number.
"""

import codecs
import csv
import re
import reprlib
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

_MAX_LINE = 65_536  # characters; lines of official lists have a few hundred at most
_MAX_VALUE = 255  # characters; no file has a longer name
_MAX_QUOTED = 80

# UTF-32 comes before UTF-16, because its mark begins with the mark of UTF-16.
_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# Control characters except the tab, a byte order mark inside the text, and undecodable bytes.
_NO_TEXT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ufeff\ufffd]")
# Spreadsheet programs replace text that looks like a formula by "#NAME?", "#NOM?", "#REF!" or
# "#N/A".
_SPREADSHEET_ERROR = re.compile(r"#[^\s,]{1,12}[?!]|#N/[A-Z]")

_shorten = reprlib.Repr()
_shorten.maxstring = _MAX_QUOTED


def quoted(text: str) -> str:
    """A value in quotes for a message; the middle of a long value is left out."""
    return _shorten.repr(text)


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """Reads the lines of a list that are not blank.

    Args:
        path: the list file.

    Yields:
        Line number, from 1, and the line without its end.

    Raises:
        ValueError: if there is no such file, it has no lines, or a line is too long or is not text.
        OSError: if it cannot be read.
    """
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    with open(path, "rb") as file:
        start = file.read(4)
    encoding = next((e for mark, e in _BYTE_ORDER_MARKS.items() if start.startswith(mark)), "utf-8")
    is_empty = True
    with open(path, encoding=encoding, errors="replace") as stream:
        for number in count(1):
            line = stream.readline(_MAX_LINE + 1)
            if not line:
                break
            text = line.removesuffix("\n")
            if len(text) > _MAX_LINE:
                raise ValueError(
                    f"{path}:{number}: longer than {_MAX_LINE:,} characters: {quoted(text)}"
                )
            if unreadable := _NO_TEXT.search(text):
                raise ValueError(f"{path}:{number}: {_no_text(unreadable[0], encoding)}")
            if text.strip():
                is_empty = False
                yield number, text
    if is_empty:
        raise ValueError(f"the list {path} is empty")


def _no_text(character: str, encoding: str) -> str:
    flaw = f"bytes that are not {encoding}" if character == "\ufffd" else ascii(character)
    return f"holds {flaw}; a list must be UTF-8 text, or UTF-16 or UTF-32 with a byte order mark"


def rows(path: Path, *, comments: bool = False) -> Iterator[tuple[int, list[str]]]:
    """Reads a list of comma-separated values, in which every row is one line.

    Args:
        path: the list file.
        comments: whether lines that begin with ``#`` are comments, which are skipped.

    Yields:
        Line number and fields.

    Raises:
        ValueError: as :func:`lines`; also if quotation marks are wrong or a spreadsheet program has
            replaced a field.
        OSError: if it cannot be read.
    """
    for number, text in lines(path):
        if comments and text.startswith("#") and not _SPREADSHEET_ERROR.match(text):
            continue
        try:
            # One row at a time, so that an unclosed quotation mark does not join it to other rows.
            (fields,) = csv.reader([text.strip()], skipinitialspace=True, strict=True)
        except csv.Error as error:
            raise ValueError(f"{path}:{number}: {quoted(text)} is no csv row ({error})") from None
        for field in fields:
            if _SPREADSHEET_ERROR.fullmatch(field):
                raise ValueError(
                    f"{path}:{number}: a spreadsheet program wrote {field} over a text that begins"
                    " with - or =; take the original list"
                )
        yield number, fields


def table(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Reads some columns of a list whose first row names the columns.

    Args:
        path: the list file.
        columns: names of the columns to read.

    Yields:
        Line number and the values of the columns, in the order of ``columns``.

    Raises:
        ValueError: as :func:`rows`; also if a column is missing, if a row has another number of
            fields than the first row, or if a value is longer than a name can be.
        OSError: if it cannot be read.
    """
    names: list[str] = []
    for number, fields in rows(path):
        if not names:
            names = fields
            if not set(columns) <= set(names):
                raise ValueError(
                    f"{path} needs the columns {', '.join(columns)};"
                    f" its first row is {quoted(','.join(names))}"
                )
            if repeated := [column for column in columns if names.count(column) > 1]:
                raise ValueError(f"{path} has two columns {repeated[0]}")
            positions = [names.index(column) for column in columns]
        elif len(fields) != len(names):
            raise ValueError(
                f"{path}:{number}: {quoted(','.join(fields))} has {len(fields)} fields and not"
                f" {len(names)} as the first row"
            )
        else:
            values = [fields[position] for position in positions]
            if longest := [value for value in values if len(value) > _MAX_VALUE]:
                raise ValueError(
                    f"{path}:{number}: longer than {_MAX_VALUE} characters: {quoted(longest[0])}"
                )
            yield number, values
