"""What one command asks for: its tables, scale, site, home and data, found and read."""

import argparse
import functools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.plan import builder, corpora
from benchmarks.plan.graph import Plan, Run
from benchmarks.plan.identity import digest
from benchmarks.plan.stage_functions import Stages
from benchmarks.spec.fixed_claims import fixed_claims
from benchmarks.spec.part import part
from benchmarks.spec.read_tables import find_tables, load_all
from benchmarks.spec.scale import Scale, load_scale
from benchmarks.spec.table import Table
from benchmarks.store.home import Home
from benchmarks.store.lease import this_user
from slurm.job_queue import Queue
from slurm.site import Site, load_site

LONGEST_TAG = 80  # characters; a file name has at most 255


@dataclass(frozen=True)
class Request:
    """One command with everything that it names found and read."""

    arguments: argparse.Namespace
    stages: Stages
    folder: Path
    tables: list[Table]
    scale: Scale
    site: Site
    home: Home
    data: Mapping[str, Path]

    @property
    def precision(self) -> str:
        """The precision of the command line, or else of the scale."""
        return self.arguments.precision or self.scale.precision

    def plan(self) -> Plan:
        """The plan as the files are now."""
        return builder.make(
            self.tables,
            self.scale,
            seeds=self.arguments.seeds,
            precision=self.precision,
            corpora=corpora.resolve(self.scale, self.data, self.home, self.stages, self.folder),
            home=self.home,
            stages=self.stages,
            code=self.folder,
        )

    @functools.cached_property
    def fixed_claims(self) -> dict[str, dict[str, Any]]:
        """What all tables' files claim, whatever tables the command names."""
        return fixed_claims(load_all(self.folder / "tables"))

    @functools.cached_property
    def _claims_digest(self) -> str:
        return digest(self.fixed_claims)

    def call(self, run: Run) -> dict[str, Any]:
        """Keyword arguments of :func:`benchmarks.launch.attempt.run`."""
        return {
            "run_id": run.id,
            "stages": self.stages.__name__,
            "home": self.home.root,
            "resolved": run.resolved,
            "corpora": {run.corpus.name: run.corpus.path},
            "upstream": run.upstream,
            "execution": self.scale.execution,
            "claims": self._claims_digest,
        }

    def out(self, complete: bool) -> Path:
        """The folder for the tables: only a complete result may replace a published one."""
        if self.arguments.out:
            return Path(self.arguments.out)
        tags = [
            f"{name}.{path.resolve().name}"
            for name, path in sorted(self.data.items())
            if self.scale.corpora[name].generate is not None
        ]
        if self.arguments.seeds is not None:
            tags.append("seeds." + ".".join(map(str, self.arguments.seeds)))
        if self.precision != self.scale.precision:
            tags.append(self.precision)
        tags += [
            _tag(option, names)
            for option in ("rows", "columns")
            if (names := getattr(self.arguments, option)) is not None
        ]
        if complete and not tags:
            return self.folder / "tables" / self.scale.scale
        return self.home.root / "tables" / "-".join([self.scale.scale, *tags])


def read(arguments: argparse.Namespace, stages: Stages, folder: Path) -> Request:
    """Find and check everything that the command line names.

    Args:
        arguments: of :mod:`benchmarks.run`.
        stages: the module that reaches ``iicl``, or one in its place.
        folder: checkout whose ``tables`` and ``benchmarks/scales`` are read.

    Raises:
        ValueError: at the first thing that does not exist or is wrong, in one line.
    """
    data = _data(arguments)
    _check_seeds(arguments)
    if arguments.out is not None and arguments.out.exists() and not arguments.out.is_dir():
        raise ValueError(f"--out {arguments.out}: not a folder")
    scale = load_scale(folder / "benchmarks" / "scales" / f"{arguments.scale}.yaml")
    site = load_site(arguments.cluster)
    queue = Queue(this_user(), tolerant=_runs_nothing(arguments))
    home = arguments.home or os.environ.get("IICL_HOME") or folder / ".iicl"
    tables = _tables(arguments, folder)
    store = Home(Path(home).resolve(), queue)
    return Request(arguments, stages, folder, tables, scale, site, store, data)


def _data(arguments: argparse.Namespace) -> dict[str, Path]:
    """The folders of real copies by corpus."""
    data: dict[str, Path] = {}
    for text in arguments.data:
        name, equals, path = text.partition("=")
        if not equals or not path:
            raise ValueError(f"--data {text}: NAME=PATH is expected")
        if name in data:
            raise ValueError(f"--data {name} is given twice")
        data[name] = Path(path)
    return data


def _tables(arguments: argparse.Namespace, folder: Path) -> list[Table]:
    """The tables that the command names, or the part of one.

    Raises:
        ValueError: if a part is asked of several tables, or has unknown rows or columns.
    """
    tables = find_tables(folder / "tables", arguments.table)
    if arguments.rows is None and arguments.columns is None:
        return tables
    if len(tables) > 1:
        raise ValueError(f"--rows and --columns take one table, got {len(tables)}")
    return [part(tables[0], arguments.rows, arguments.columns)]


def _tag(option: str, names: Sequence[str]) -> str:
    """What the name of a folder says of the rows or columns in it."""
    words = ".".join([option, *sorted(names)])
    if len(words) <= LONGEST_TAG:
        return words
    return f"{option}.{len(names)}.{digest(sorted(names))[:8]}"


def _check_seeds(arguments: argparse.Namespace) -> None:
    seeds = arguments.seeds
    if seeds is not None and len(set(seeds)) < len(seeds):
        raise ValueError(f"--seeds {seeds}: a seed repeats")
    if seeds is not None and min(seeds) < 0:
        raise ValueError(f"--seeds {seeds}: a seed must be 0 or more")


def _runs_nothing(arguments: argparse.Namespace) -> bool:
    """Whether the command only shows something.

    Raises:
        ValueError: if an option is given that would do nothing.
    """
    options = ("dry_run", "power", "status", "collect")
    names = [f"--{name.replace('_', '-')}" for name in options if getattr(arguments, name)]
    for name in names:  # one at most
        if arguments.no_wait:
            raise ValueError(f"--no-wait does nothing with {name}")
        if arguments.force and name != "--dry-run":
            raise ValueError(f"--force runs something, and {name} does not")
    return bool(names)
