"""All files of a table. Equal inputs give equal bytes."""

import io
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd

from benchmarks.render import document_file, escape, markdown
from benchmarks.render.document import Document, without
from benchmarks.store.files import write_bytes, write_text

Picture = Callable[[], bytes]
"""Makes the content of a picture's file."""


def write(
    document: Document, frame: pd.DataFrame, pictures: Mapping[str, Picture], out: Path
) -> list[Path]:
    """Write ``<name>.md``, ``.cost.md``, ``.csv``, ``.json``, plot and pictures into ``out``.

    A picture that cannot be made is named on standard error and left out of the document.

    Args:
        document: the document.
        frame: the records behind it, from :func:`benchmarks.results.records.records`.
        pictures: from :func:`benchmarks.render.compose.pictures`, by file name.
        out: a folder.
    """
    if document.plot is not None:
        pictures = {document.plot: lambda: _plot(document), **pictures}
    images = [name for name, make in pictures.items() if _is_drawn(out / name, make)]
    document = without(document, pictures.keys() - images)
    buffer = io.StringIO()
    frame.to_csv(buffer, index=False, float_format="%.6f", lineterminator="\n")
    texts = {
        "md": markdown.markdown(document),
        "cost.md": markdown.cost_markdown(document),
        "csv": buffer.getvalue().encode(errors="backslashreplace").decode(),
        "json": document_file.to_json(document),
    }
    for ending, text in texts.items():
        write_text(out / f"{document.name}.{ending}", text)
    return [out / f"{document.name}.{ending}" for ending in texts] + [out / name for name in images]


def _plot(document: Document) -> bytes:
    from benchmarks.render import plot

    return plot.draw(document)


def _is_drawn(path: Path, make: Picture) -> bool:
    """Make and write one picture; whether that went well. If not, an older one is removed.

    Raises:
        OSError: if it cannot be written; then the older one stays.
    """
    try:
        picture = make()
    except Exception as problem:
        words = escape.one_line(f"{type(problem).__name__}: {problem}")
        print(f"no picture {path.name}: {words[:200]}", file=sys.stderr)
        path.unlink(missing_ok=True)
        return False
    write_bytes(path, picture)
    return True
