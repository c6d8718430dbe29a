"""The code that queued jobs run: a copy made at submission, which later edits do not reach."""

import shutil
import uuid
from pathlib import Path

from benchmarks import identity, provenance

PACKAGES = ("iicl", "benchmarks", "slurm")


def take(code: Path, home: Path) -> Path:
    """Copy the packages of a checkout below ``<home>/snapshots``, once for each content.

    Args:
        code: the checkout.
        home: root of the home folder, which the nodes of the cluster can read.

    Returns:
        The folder to put on the path of a job.
    """
    files = sorted(
        path
        for package in PACKAGES
        for path in (code / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    )
    content = {str(path.relative_to(code)): path.read_bytes() for path in files}
    commit = provenance.commit()
    key = identity.digest([commit, {name: data.hex() for name, data in content.items()}])
    folder = home / "snapshots" / key[:16]
    if not folder.exists():
        part = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}")
        for name, data in content.items():
            (part / name).parent.mkdir(parents=True, exist_ok=True)
            (part / name).write_bytes(data)
        (part / provenance.COMMIT_FILE).write_text(f"{commit}\n")
        try:
            part.rename(folder)
        except OSError:  # another launch was first
            shutil.rmtree(part)
    return folder
