"""Every table of a results folder in one self-contained HTML page.

It is made from the folder's documents and pictures alone: neither torch nor a home is needed, and
the page needs neither a network nor a script.
"""

import base64
import errno
import io
import os
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import jinja2
from PIL import Image

from benchmarks.render import escape, methods_table, multiplicity, plot, plot_beside, words
from benchmarks.render.document import Curve, Document
from benchmarks.render.methods_table import KnownMethod
from benchmarks.store.files import DamagedFileError, read_bytes

TEMPLATE = "report.html.jinja"
BESIDE = ("compared", "table5")
"""Table whose rows are drawn beside those of the same methods in the second one."""

VERDICTS = ("holds", "reversed", "open", "untested", "incomplete", "failed", "damaged", "stale")
"""Of claims, in the order of the status table."""

SHEET_QUALITY = 80  # of WebP, which takes a tenth of the PNG; the exact pixels are in the folder


def page(documents: Sequence[Document], results: Path, methods: Sequence[KnownMethod]) -> str:
    """The page as HTML.

    Args:
        documents: of one folder.
        results: holds the pictures that they name.
        methods: all that there are.

    Raises:
        OSError: if a picture is missing.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        percent=words.percent,
        interval=words.interval,
        in_order=words.in_order,
        block_name=words.block_name,
        picture=lambda name: _uri("png", content(results / name)),
        sheet=lambda name: _uri("webp", _webp(results / name)),
        training=_training,
    )
    environment.globals.update(
        words=words, multiplicity=multiplicity, method_headers=methods_table.HEADERS
    )
    counts = {
        document.name: Counter(claim.verdict for claim in document.claims) for document in documents
    }
    total: Counter[str] = sum(counts.values(), Counter())
    sheets = {
        data.sheet: data.says for document in documents for data in document.data if data.sheet
    }
    return environment.get_template(TEMPLATE).render(
        documents=documents,
        counts=counts,
        total=total,
        verdicts=[verdict for verdict in VERDICTS if total[verdict]],
        sheets=sheets,
        beside=_beside({document.name: document for document in documents}),
        method_lines=methods_table.lines(documents, methods),
    )


def _beside(documents: Mapping[str, Document]) -> dict[str, str]:
    """The name of a table -> the address of the picture of its methods beside another table's."""
    name, other = BESIDE
    if not documents.keys() >= set(BESIDE):
        return {}
    try:
        picture = plot_beside.draw(documents[name], documents[other])
    except Exception as problem:
        reason = escape.one_line(f"{type(problem).__name__}: {problem}")
        print(f"no picture of {name} beside {other}: {reason[:200]}", file=sys.stderr)
        return {}
    return {} if picture is None else {name: _uri("svg+xml", picture)}


def _training(curve: Curve) -> str:
    """A training curve as the address of its picture; empty if it cannot be drawn."""
    try:
        return _uri("svg+xml", plot.training(curve))
    except Exception as problem:
        reason = escape.one_line(f"{type(problem).__name__}: {problem}")
        print(f"no picture of a training curve: {reason[:200]}", file=sys.stderr)
        return ""


def _uri(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _webp(path: Path) -> bytes:
    source, picture = io.BytesIO(content(path)), io.BytesIO()
    try:
        with Image.open(source) as image:
            image.convert("RGB").save(picture, "webp", quality=SHEET_QUALITY)
    except (OSError, SyntaxError, Image.DecompressionBombError) as problem:  # Pillow has no others
        raise DamagedFileError(path, f"it is no picture: {problem}") from None
    return picture.getvalue()


def content(path: Path) -> bytes:
    """What is in a file.

    Raises:
        DamagedFileError: as :func:`benchmarks.store.files.open_to_read`.
        OSError: if it is missing, or the file system fails.
    """
    data = read_bytes(path)
    if data is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    return data
