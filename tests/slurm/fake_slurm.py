"""Slurm's commands as small scripts that note every call and keep a queue that a test may edit."""

import os
import sys
from pathlib import Path

import pytest

SBATCH = """\
#!{python}
import json, os, re, sys
from pathlib import Path
folder = Path({folder!r})
with (folder / "calls").open("a") as file:
    file.write("sbatch\\n")
(folder / "environment").write_text(json.dumps(dict(os.environ)))
if (folder / "refuse").exists():
    sys.exit("sbatch: error: " + (folder / "refuse").read_text())
text = Path(sys.argv[1]).read_text()
scripts = folder / "scripts"
number = len(list(scripts.iterdir())) + 1
(scripts / f"{{number}}.sh").write_text(text)
array = re.search(r"--array=0-(\\d+)", text)
ids = [f"{{number}}_{{i}}" for i in range(int(array[1]) + 1)] if array else [str(number)]
waits = "Dependency" if "--dependency" in text else "Priority"
with (folder / "queue").open("a") as file:
    file.writelines(f"{{i}}|PENDING|{{waits}}\\n" for i in ids)
print(f"Submitted batch job {{number}}")
"""
OTHERS = {
    "squeue": 'test -e {folder}/silent && echo "squeue: error: no answer" >&2 && exit 1\n'
    'echo "$@" > {folder}/asked\ncat {folder}/queue',
    "scontrol": "cat {folder}/config",
    "srun": "",
}


class FakeSlurm:
    """What the scripts share.

    Attributes:
        folder: ``calls``, a line for every call; ``queue``, what squeue prints; ``asked``, its last
            words; ``scripts``; ``config``, what scontrol prints; ``environment``, of the last
            sbatch; and, where a test makes them, ``refuse`` and ``silent``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "bin").mkdir(parents=True)
        (folder / "scripts").mkdir()
        (folder / "queue").touch()
        (folder / "calls").touch()
        (folder / "config").write_text("ClusterName             = fake\n")
        scripts = {"sbatch": SBATCH.format(python=sys.executable, folder=str(folder))}
        for name, text in OTHERS.items():
            note = f"echo {name} >> {folder}/calls"
            scripts[name] = f"#!/bin/sh\n{note}\n{text.format(folder=folder)}\n"
        for name, text in scripts.items():
            (folder / "bin" / name).write_text(text)
            (folder / "bin" / name).chmod(0o755)

    def calls(self) -> list[str]:
        """The commands called so far."""
        return (self.folder / "calls").read_text().split()

    def queue(self, *rows: str) -> None:
        """Replace the jobs that there are by others, as ``id|STATE|reason``."""
        (self.folder / "queue").write_text("".join(f"{row}\n" for row in rows))

    def script(self, number: int) -> str:
        """What sbatch was given."""
        return (self.folder / "scripts" / f"{number}.sh").read_text()


@pytest.fixture
def fake_slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSlurm:
    fake = FakeSlurm(tmp_path / "slurm")
    monkeypatch.setenv("PATH", f"{fake.folder}/bin", prepend=os.pathsep)
    return fake
