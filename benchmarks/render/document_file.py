"""Documents as JSON, and back."""

import json
import re

from pydantic import TypeAdapter

from benchmarks.render.document import Document

_ADAPTER = TypeAdapter(Document)
LATER_KEYS = (
    *("damaged", "part", "claims_family", "cells_family", "covers", "processors"),
    *("facts", "row_costs", "not_measured"),
)
"""Not in the documents that were written before there were these keys."""


def to_json(document: Document) -> str:
    """The document as JSON, one line per entry; :func:`from_json` gives back an equal one.

    Raises:
        ValueError: if a number is not finite.
    """
    lines = []
    for key, value in _ADAPTER.dump_python(document, mode="json").items():
        if key in LATER_KEYS and not value:
            continue
        if isinstance(value, list) and value:
            entries = ",\n  ".join(_line(entry) for entry in value)
            lines.append(f" {_line(key)}: [\n  {entries}\n ]")
        else:
            lines.append(f" {_line(key)}: {_line(value)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _line(value: object) -> str:
    text = json.dumps(value, allow_nan=False, ensure_ascii=False)
    # A file's name may hold bytes that are no text: half a character, which UTF-8 cannot write.
    return re.sub("[\ud800-\udfff]", lambda half: f"\\\\u{ord(half.group()):x}", text)


def from_json(text: str) -> Document:
    """The document that :func:`to_json` wrote.

    Raises:
        ValueError: if the text is no document.
    """
    return _ADAPTER.validate_json(text, strict=True)
