"""``python -m slurm.devcluster``: start a cluster, stop it, or do both around a command."""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from slurm import host


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit code: 0, that of the command, or 2 if something is amiss."""
    host.require_posix()
    from slurm.devcluster.cluster import DevCluster

    parser = argparse.ArgumentParser(prog="python -m slurm.devcluster", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    start = commands.add_parser("start", help="start a cluster in a new folder")
    start.add_argument("folder", type=Path)
    stop = commands.add_parser("stop", help="end its jobs and daemons, and remove the folder")
    stop.add_argument("folder", type=Path)
    run = commands.add_parser("run", help="start a cluster, run a command with it, stop it")
    run.add_argument("words", nargs="+", metavar="WORD", help="the command, after --")
    for one in (start, run):
        one.add_argument("--nodes", type=int, default=2, metavar="N", help="default: 2")
    parsed = parser.parse_args(arguments)
    try:
        if parsed.command == "start":
            cluster = DevCluster(parsed.folder.resolve())
            cluster.start(parsed.nodes)
            for name, value in cluster.environment.items():
                print(f"export {name}={value}")
            return 0
        if parsed.command == "stop":
            if not (parsed.folder / "slurm.conf").is_file():
                raise ValueError(f"{parsed.folder} holds no cluster")
            DevCluster(parsed.folder.resolve()).stop()
            return 0
        with tempfile.TemporaryDirectory(prefix="devcluster-") as parent:
            cluster = DevCluster(Path(parent) / "slurm")
            try:
                cluster.start(parsed.nodes)
                environment = {**os.environ, **cluster.environment}
                return subprocess.run(parsed.words, env=environment, check=False).returncode
            finally:
                if cluster.folder.exists():
                    cluster.stop()
    except (OSError, ValueError) as problem:
        print(f"devcluster: {problem}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
