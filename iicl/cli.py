"""The command ``iicl``: prepare, prune or generate a corpus, or list the interpretations.

Nothing but the standard library is imported before the packages are known to be there.
"""

import argparse
import logging
import sys
import textwrap
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import NoReturn, get_args

from iicl import host
from iicl.data.synthetic.world import CorpusName
from iicl.interpretations import INTERPRETATIONS


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    If the reader of its output goes away (``| head``), it goes on and keeps its exit code.

    Args:
        arguments: in place of the process's own.

    Returns:
        the exit code: 0; 2 if the input cannot be used or a package is missing; 5 after a crash;
        130 after Ctrl-C.
    """
    problem = host.problem()
    if problem:
        print(f"iicl: {problem}", file=sys.stderr)
        return 2
    if arguments is None:
        host.survive_closed_pipes()
    return _run(_parser().parse_args(arguments))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="iicl",
        description="Prepare a corpus for training, remove its unused shards, generate a corpus,"
        " or list methods, encoders and views, and how this project reads the paper.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _add_prepare(commands.add_parser("prepare", help="decode a corpus once, for training"))
    _add_prune(
        commands.add_parser("prune", help="remove shards that a prepared corpus no longer uses")
    )
    _add_generate(commands.add_parser("generate", help="write a generated corpus"))
    listing = commands.add_parser("interpretations", help="how this project reads the paper")
    listing.set_defaults(run=lambda parsed: _interpretations())
    listing = commands.add_parser("list", help="methods, encoders and views, with their settings")
    listing.set_defaults(run=lambda parsed: _list())
    return parser


def _run(parsed: argparse.Namespace) -> int:
    """Carry out one command; the exit code."""
    logging.basicConfig(format="%(message)s")
    logging.getLogger("iicl").setLevel(logging.INFO)
    try:
        parsed.run(parsed)
    except (ValueError, OSError) as error:
        print(f"iicl {parsed.command}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"iicl {parsed.command}: stopped; run it again to go on", file=sys.stderr)
        return 130
    except Exception as error:
        traceback.print_exception(error)
        words = " ".join(f"{type(error).__name__}: {error}".split())
        print(f"iicl {parsed.command}: crashed: {words[:300]}", file=sys.stderr)
        return 5
    return 0


class _Parser(argparse.ArgumentParser):
    """A parser whose error message is one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def _add_prepare(parser: argparse.ArgumentParser) -> None:
    from iicl import config

    defaults = config.Preparation()
    parser.add_argument("corpus", help="name of the corpus, for example ucf101 or audioset")
    parser.add_argument(
        "source", type=Path, help="root of its official layout, or of class folders"
    )
    parser.add_argument("out", type=Path, help="folder of the prepared corpus")
    parser.add_argument("--reader", help="default: the corpus's own; folder: read class folders")
    for option, kind, default, limit in (
        ("--short-side", int, defaults.short_side, "pixels of a frame's shorter side"),
        ("--max-fps", float, defaults.max_fps, "frames per second, at most"),
        ("--max-seconds", float, defaults.max_seconds, "seconds of a clip, at most"),
    ):
        parser.add_argument(option, type=kind, default=default, help=f"{limit}; default: {default}")
    parser.add_argument("--workers", type=int, help="processes; default: one per processor core")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument(
        "--verify",
        action="store_true",
        help="compare every stored byte with its digest, and prepare anew what is damaged",
    )
    mode.add_argument(
        "--part",
        type=_part,
        metavar="K/N",
        help="prepare part K of N, from 1 to N, and write no manifest; parts may run side by side",
    )
    mode.add_argument(
        "--assemble", action="store_true", help="write the manifest when all parts are prepared"
    )
    parser.set_defaults(run=_prepare)


def _part(text: str) -> tuple[int, int]:
    """The K and N of K/N."""
    try:
        part, num_parts = map(int, text.split("/"))
    except ValueError:
        part = num_parts = 0
    if not 1 <= part <= num_parts:
        raise argparse.ArgumentTypeError(f"{text!r} is not K/N with K from 1 to N")
    return part, num_parts


def _num_workers(parsed: argparse.Namespace) -> int:
    from joblib import cpu_count  # it respects the process's affinity and its container's limit

    return cpu_count() if parsed.workers is None else parsed.workers


def _prepare(parsed: argparse.Namespace) -> None:
    from iicl import config
    from iicl.data import datasets
    from iicl.data.prepare import assemble, prepare, prepare_part

    corpus = parsed.corpus
    reader = parsed.reader or datasets.detect(corpus, parsed.source)
    where = (reader, parsed.source, parsed.out)
    preparation = config.Preparation(
        short_side=parsed.short_side, max_fps=parsed.max_fps, max_seconds=parsed.max_seconds
    )
    workers = _num_workers(parsed)
    with _progress(f"preparing {corpus}") as advance:
        if parsed.part:
            part, num_parts = parsed.part
            items = prepare_part(
                *where,
                part=part - 1,
                num_parts=num_parts,
                preparation=preparation,
                num_workers=workers,
                progress=advance,
            )
        elif parsed.assemble:
            items = assemble(*where, corpus=corpus, preparation=preparation).items
        else:
            items = prepare(
                *where,
                corpus=corpus,
                preparation=preparation,
                num_workers=workers,
                progress=advance,
                verify=parsed.verify,
            ).items
    usable = f"{sum(bool(item.views) for item in items):,} of {len(items):,} items usable"
    if parsed.part:
        num_shards = len({item.shard for item in items})
        shards = f"{num_shards:,} shard{'s' * (num_shards != 1)}"
        print(f"{corpus}: part {part} of {num_parts} is done: {usable} in {shards}")
        return
    print(f"{corpus}: {usable}, read by {reader}")
    missing = [item for item in items if item.reason.startswith("missing")]
    if missing:
        first = f"{missing[0].id}: {missing[0].reason}"
        print(_printable(f"  {len(missing):,} missing, the first: {first}"))
    flawed = [item for item in items if item.reason and not item.reason.startswith("missing")]
    for item in flawed[:20]:
        views = " and ".join(item.views) or "nothing"
        print(_printable(f"  {item.id}: {views} kept: {item.reason}"))
    if len(flawed) > 20:
        print(f"  and {len(flawed) - 20:,} more; all are in {parsed.out / 'manifest.jsonl'}")


def _printable(text: str) -> str:
    """The text in one line, even if a file name contains line breaks."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _add_prune(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("out", type=Path, help="folder of the prepared corpus")
    parser.add_argument(
        "--yes", action="store_true", help="remove the shards; without it they are only listed"
    )
    parser.set_defaults(run=_prune)


def _prune(parsed: argparse.Namespace) -> None:
    from iicl.data.prune import prune

    pruned = prune(parsed.out, remove=parsed.yes)
    verb = "removed" if parsed.yes else "would remove"
    for folder, modified in zip(pruned.folders, pruned.modified, strict=True):
        print(f"{verb} {folder}, last written {datetime.fromtimestamp(modified):%Y-%m-%d %H:%M}")
    for folder, why in pruned.left.items():
        print(_printable(f"leaves {folder}: {why}"))
    number = f"{len(pruned.folders)} folder{'s' * (len(pruned.folders) != 1)}"
    if not pruned.folders:
        print(f"{parsed.out}: nothing to remove")
    elif parsed.yes:
        print(f"{parsed.out}: {number} removed, {pruned.num_bytes:,} bytes freed")
    else:
        print(
            f"{parsed.out}: {number} to remove, {pruned.num_bytes:,} bytes to free;"
            " run it again with --yes"
        )


def _add_generate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("corpus", choices=get_args(CorpusName), help="whose layout is written")
    parser.add_argument("out", type=Path, help="root to write the official layout to")
    parser.add_argument("--items", type=int, default=1000, help="default: 1000")
    parser.add_argument("--seed", type=int, default=0, help="of all draws; default: 0")
    parser.add_argument("--workers", type=int, help="processes; default: one per processor core")
    parser.add_argument(
        "--contact-sheet", type=Path, help="PNG to write as well, with clips of every class"
    )
    parser.set_defaults(run=_generate)


def _generate(parsed: argparse.Namespace) -> None:
    from iicl.data.synthetic.write import generate

    with _progress(f"generating {parsed.corpus}") as advance:
        generate(
            parsed.corpus,
            parsed.out,
            num_items=parsed.items,
            seed=parsed.seed,
            num_workers=_num_workers(parsed),
            progress=advance,
        )
    if parsed.contact_sheet:
        from iicl.data.synthetic.contact_sheet import contact_sheet

        contact_sheet([parsed.out], parsed.contact_sheet)


def _list() -> None:
    from iicl.catalogue import catalogue

    print(catalogue())


def _interpretations() -> None:
    for entry in INTERPRETATIONS:
        print(f"[{entry.number}] {entry.title}")
        for label, text in (
            ("paper", entry.paper),
            ("here", entry.default),
            ("otherwise", entry.alternatives),
        ):
            print(
                textwrap.fill(f"{label}: {text}", 96, initial_indent="  ", subsequent_indent="    ")
            )
        for setting in entry.settings:
            others = ", ".join(map(str, setting.alternatives))
            print(f"  {setting.field} = {setting.default} (or {others})")
        print()


@contextmanager
def _progress(text: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on standard error; yields a function of (done, total)."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
    )

    name = TextColumn("{task.description}", markup=False)
    columns = (name, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    # Without a terminal there is nothing to redraw, and an empty line would be left behind.
    disable = not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=disable) as bars:
        task = bars.add_task(text, total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)
