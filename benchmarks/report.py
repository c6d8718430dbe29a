"""The report page: every rendered table of a results folder in one self-contained HTML file.

It is made from the folder's documents and pictures alone: neither torch nor a home is needed, and
the page needs neither a network nor a script.
"""
# ruff: noqa: E402 (the project must be on the path first)

import argparse
import base64
import errno
import io
import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if __name__ == "__main__":  # `python benchmarks/report.py` puts benchmarks/ on the path
    sys.path[0] = str(ROOT)
    from slurm import host

    host.require_posix()
    host.require_packages()

import jinja2
from PIL import Image

from benchmarks import crash, document, escape, plot, render, streams
from benchmarks.document import Curve, Document
from benchmarks.files import DamagedFileError, parse_json, read_bytes, write_text

TEMPLATE = "report.html.jinja"
VERDICTS = ("holds", "reversed", "open", "untested", "incomplete", "failed", "damaged", "stale")
"""Of claims, in the order of the status table."""

SHEET_QUALITY = 80  # of WebP, which takes a tenth of the PNG; the exact pixels are in the folder


def read(results: Path) -> list[Document]:
    """The documents of a folder: the paper's tables first.

    Raises:
        ValueError: if there are none, or one cannot be read.
    """
    found = []
    for path in sorted(results.glob("*.json")):
        content = _read(path)
        parse_json(content, path)  # a document has finite numbers and no key twice
        try:
            found.append(document.from_json(content.decode()))
        except ValueError as problem:
            reason = str(problem).splitlines()[0]
            raise ValueError(f"{path} is no document of a table: {reason}") from None
    if not found:
        raise ValueError(f"{results} holds no table's document (*.json); run a table first")
    return sorted(found, key=lambda shown: (not shown.name.startswith("table"), shown.name))


def page(documents: Sequence[Document], results: Path) -> str:
    """The page as HTML.

    Args:
        documents: from :func:`read`.
        results: holds the pictures that they name.

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
        percent=render.percent,
        interval=render.interval,
        in_order=render.in_order,
        block_name=render.block_name,
        picture=lambda name: _uri("png", _read(results / name)),
        sheet=lambda name: _uri("webp", _webp(results / name)),
        training=_training,
    )
    counts = {shown.name: Counter(claim.verdict for claim in shown.claims) for shown in documents}
    total: Counter[str] = sum(counts.values(), Counter())
    sheets = {data.sheet: data.says for shown in documents for data in shown.data if data.sheet}
    return environment.get_template(TEMPLATE).render(
        documents=documents,
        counts=counts,
        total=total,
        verdicts=[verdict for verdict in VERDICTS if total[verdict]],
        sheets=sheets,
        legend=render.legend,
        remark=render.remark,
        sharing=render.sharing,
    )


def _training(curve: Curve) -> str:
    """A training curve as the address of its picture; empty if it cannot be drawn."""
    try:
        return _uri("svg+xml", plot.training(curve))
    except Exception as problem:
        words = escape.one_line(f"{type(problem).__name__}: {problem}")
        print(f"no picture of a training curve: {words[:200]}", file=sys.stderr)
        return ""


def _uri(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _webp(path: Path) -> bytes:
    content, picture = io.BytesIO(_read(path)), io.BytesIO()
    try:
        with Image.open(content) as image:
            image.convert("RGB").save(picture, "webp", quality=SHEET_QUALITY)
    except (OSError, SyntaxError, Image.DecompressionBombError) as problem:  # Pillow has no others
        raise DamagedFileError(path, f"it is no picture: {problem}") from None
    return picture.getvalue()


def _read(path: Path) -> bytes:
    content = read_bytes(path)
    if content is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    return content


def main(argv: Sequence[str] | None = None) -> int:
    """Write the page; the exit code: 0, 2 if it cannot be made, or 5 after a crash."""
    parser = argparse.ArgumentParser(
        prog="benchmarks/report.py", description="One HTML page of all tables of a results folder."
    )
    parser.add_argument("--results", type=Path, default=ROOT / "tables" / "desk", metavar="FOLDER")
    parser.add_argument("--out", type=Path, default=Path("report.html"), metavar="FILE")
    arguments = parser.parse_args(argv)
    try:
        documents = read(arguments.results)
        text = page(documents, arguments.results)
        write_text(arguments.out, text)
    except (ValueError, OSError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2
    except Exception as problem:
        return crash.report(problem)
    names = ", ".join(shown.heading for shown in documents)
    print(f"{arguments.out}: {names}; {len(text) / 2**20:.1f} MiB")
    return 0


if __name__ == "__main__":
    streams.survive_closed_pipes()
    sys.exit(main())
