"""What one command names, found and read: tables, scale, site, home, data."""

import argparse
import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from benchmarks.plan import builder, corpora
from benchmarks.plan.graph import Plan, Run
from benchmarks.spec.read_tables import find_tables
from benchmarks.spec.scale import Scale, load_scale
from benchmarks.spec.table import Table
from benchmarks.store import provenance
from benchmarks.store.home import Home
from benchmarks.store.lease import this_user
from slurm.scheduler import Queue
from slurm.site import ProcessSite, Site, SlurmSite, load_site


@dataclasses.dataclass(frozen=True)
class Request:
    """One command with everything it names found and read."""

    arguments: argparse.Namespace
    stages: ModuleType
    folder: Path
    tables: list[Table]
    scale: Scale
    site: Site
    home: Home
    data: Mapping[str, Path]
    precision: str

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
        }

    def out(self, complete: bool) -> Path:
        """Where the tables go: only a complete, undeviating result may replace a published one."""
        if self.arguments.out:
            return Path(self.arguments.out)
        tags = [
            f"{name}.{path.resolve().name}"
            for name, path in sorted(self.data.items())
            if self.scale.corpora[name].generate is not None
        ]
        if self.arguments.seeds is not None:
            tags.append("seeds." + ".".join(map(str, self.arguments.seeds)))
        if self.arguments.precision != "auto":
            tags.append(self.arguments.precision)
        if complete and not tags:
            return self.folder / "tables" / self.scale.scale
        return self.home.root / "tables" / "-".join([self.scale.scale, *tags])


def read(arguments: argparse.Namespace, stages: ModuleType, folder: Path) -> Request:
    """Find and check everything that the command line names.

    Raises:
        ValueError: at the first thing that does not exist or is wrong, in one line.
    """
    data: dict[str, Path] = {}
    for text in arguments.data:
        name, equals, path = text.partition("=")
        if not equals or not path:
            raise ValueError(f"--data {text}: NAME=PATH is expected")
        if name in data:
            raise ValueError(f"--data {name} is given twice")
        data[name] = Path(path)
    if arguments.seeds is not None and len(set(arguments.seeds)) < len(arguments.seeds):
        raise ValueError(f"--seeds {arguments.seeds}: a seed repeats")
    if arguments.seeds is not None and min(arguments.seeds) < 0:
        raise ValueError(f"--seeds {arguments.seeds}: a seed must be 0 or more")
    if arguments.out is not None and arguments.out.exists() and not arguments.out.is_dir():
        raise ValueError(f"--out {arguments.out}: not a folder")
    scale = load_scale(folder / "benchmarks" / "scales" / f"{arguments.scale}.yaml")
    site, on_gpu = load_site(arguments.cluster), scale.device.unit == "GPU"
    looks = _only_looks(arguments, site)
    shows = arguments.collect or arguments.status
    if isinstance(site, SlurmSite) and on_gpu and not site.gpus_per_node and not shows:
        raise ValueError(
            f"scale {scale.scale} computes on GPUs, and slurm/sites/{site.name}.yaml asks for none:"
            " gpus_per_node"
        )
    if isinstance(site, ProcessSite) and on_gpu and site.processes is None:
        # Runs side by side would share one GPU.
        site = site.model_copy(update={"processes": 1})
    home = arguments.home or os.environ.get("IICL_HOME") or folder / ".iicl"
    return Request(
        arguments,
        stages,
        folder,
        find_tables(folder / "tables", arguments.table),
        scale,
        site,
        Home(Path(home).resolve(), Queue(this_user(), tolerant=looks)),
        data,
        provenance.precision(arguments.precision, on_gpu=on_gpu),
    )


def _only_looks(arguments: argparse.Namespace, site: Site) -> bool:
    """Whether a command runs nothing.

    Raises:
        ValueError: if an option is given that would do nothing.
    """
    given = {name: getattr(arguments, name) for name in ("dry_run", "status", "collect")}
    looks = next((f"--{name.replace('_', '-')}" for name, value in given.items() if value), None)
    if arguments.no_wait and looks:
        raise ValueError(f"--no-wait does nothing with {looks}")
    if arguments.no_wait and not isinstance(site, SlurmSite):
        raise ValueError(f"--no-wait: site {site.name} is no cluster")
    if arguments.force and looks in ("--status", "--collect"):
        raise ValueError(f"--force runs something, and {looks} does not")
    return looks is not None
