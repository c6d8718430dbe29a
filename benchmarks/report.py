"""The command that makes one HTML page, or the README's lists, of rendered tables."""
# ruff: noqa: E402 (the project must be on the path first)

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if __name__ == "__main__":  # `python benchmarks/report.py` puts benchmarks/ on the path
    sys.path[0] = str(ROOT)
    from slurm import host

    host.require_posix()
    host.require_packages()

from benchmarks import stages
from benchmarks.render import claims_table, document_file, html_page, methods_table
from benchmarks.render.document import Document
from benchmarks.store.files import parse_json, write_text
from slurm import command_line


def read(results: Path) -> list[Document]:
    """The documents of a folder: the paper's tables first.

    Raises:
        ValueError: if there are none, or one cannot be read.
    """
    documents = []
    for path in sorted(results.glob("*.json")):
        data = html_page.content(path)
        parse_json(data, path)  # a document has finite numbers and no key twice
        try:
            documents.append(document_file.from_json(data.decode()))
        except ValueError as problem:
            reason = str(problem).splitlines()[0]
            raise ValueError(f"{path} is no document of a table: {reason}") from None
    if not documents:
        raise ValueError(f"{results} holds no table's document (*.json); run a table first")
    return sorted(
        documents, key=lambda document: (not document.name.startswith("table"), document.name)
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Write the page, or print the lists; the exit code: 0, 2 if it cannot be made, or 5."""
    parser = argparse.ArgumentParser(
        prog="benchmarks/report.py", description="Write one HTML page of all tables in a folder."
    )
    parser.add_argument(
        "--results",
        type=Path,
        default=ROOT / "tables" / "desk",
        metavar="FOLDER",
        help="folder of the tables; default: tables/desk",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("report.html"),
        metavar="FILE",
        help="page to write; default: report.html",
    )
    parser.add_argument(
        "--readme", action="store_true", help="print the README's lists; write no page"
    )
    arguments = parser.parse_args(argv)
    try:
        documents = read(arguments.results)
        if arguments.readme:
            print(claims_table.claims_table(documents))
            print("\n" + methods_table.methods_table(documents, stages.methods()))
            return 0
        text = html_page.page(documents, arguments.results, stages.methods())
        write_text(arguments.out, text)
    except (ValueError, OSError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2
    except Exception as problem:
        return command_line.report_crash(problem)
    names = ", ".join(document.heading for document in documents)
    print(f"{arguments.out}: {names}; {len(text) / 2**20:.1f} MiB")
    return 0


if __name__ == "__main__":
    command_line.survive_closed_pipes()
    sys.exit(main())
