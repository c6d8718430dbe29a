"""Whether this checkout computes the same numbers as an earlier commit, to the last digit.

Both make the tables at smoke scale with seed 0 in float32 on one thread, each with its own code and
from clips that it generates itself. Every metric and loss of every run is compared, by the name of
the run without its code. Takes about a minute for each side.

    python tests/same_numbers.py COMMIT [--table all figure3] [--folder FOLDER]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
OPTIONS = ["--scale", "smoke", "--seeds", "0", "--precision", "float32"]
OPTIONS += ["--cluster", "inline", "--yes"]
COMPARED = ("metrics", "losses", "chance", "num_evaluated", "num_expected")


def start(code: Path, home: Path, tables: list[str]) -> subprocess.Popen[str]:
    """The command that makes the tables with the code in a folder."""
    threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "benchmarks/run.py", "--table", *tables, *OPTIONS, "--home", str(home)],
        cwd=code,
        env={**os.environ, **threads, "PYTHONPATH": str(code)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def numbers(home: Path) -> dict[str, dict[str, object]]:
    """What is compared of every run, by its name without the code."""
    by_name = {}
    for path in sorted((home / "runs").glob("*/result.json")):
        result = json.loads(path.read_text())
        name = path.parent.name.rpartition(".")[0]
        by_name[name] = {key: result[key] for key in COMPARED if key in result}
    return by_name


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("commit")
    parser.add_argument("--table", nargs="+", default=["all", "figure3"])
    parser.add_argument("--folder", type=Path, help="keeps both homes; default: a temporary one")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (arguments.folder or Path(temporary)).resolve()
        code = Path(temporary) / "code"
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run(
            [*git, "add", "--quiet", "--detach", str(code), arguments.commit], check=True
        )
        try:
            sides = {"before": code, "after": ROOT}
            commands = {
                side: start(root, folder / side, arguments.table) for side, root in sides.items()
            }
            for side, command in commands.items():
                _, errors = command.communicate()
                if command.returncode not in (0, 1):
                    print(f"{side}: exit code {command.returncode}\n{errors}", file=sys.stderr)
                    return 2
        finally:
            subprocess.run([*git, "remove", "--force", str(code)], check=True)
        before, after = numbers(folder / "before"), numbers(folder / "after")
    same = [name for name in before.keys() & after.keys() if before[name] == after[name]]
    for name in sorted(before.keys() | after.keys()):
        if name not in same:
            print(f"{name}\n  before: {before.get(name)}\n  after:  {after.get(name)}")
    print(f"{len(same)} of {len(before | after)} runs have the same numbers")
    return 0 if before and len(same) == len(before | after) else 1


if __name__ == "__main__":
    sys.exit(main())
