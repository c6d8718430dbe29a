"""The code that queued jobs run: a copy made at submission, which later edits do not reach."""

import os
import shutil
import sys
import uuid
from collections.abc import Mapping
from pathlib import Path

from benchmarks.store import files, provenance
from benchmarks.store.files import read_bytes, set_aside

PACKAGES = ("iicl", "benchmarks", "slurm")


def take(code: Path, home: Path) -> Path:
    """Copy the packages of a checkout below ``<home>/snapshots``, once for each content.

    Args:
        code: the checkout.
        home: root of the home folder, which the nodes of the cluster can read.

    Returns:
        The folder to put on the path of a job.
    """
    content, commit = _content(code), provenance.commit()
    key = _key(commit, content)
    folder = home / "snapshots" / key[:16]
    if os.path.lexists(folder) and not _holds(folder, key):
        target = set_aside(folder)  # queued jobs would run unknown code
        print(f"damaged: {folder} is not the code that it was; moved to {target}", file=sys.stderr)
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


def _content(code: Path) -> dict[str, bytes]:
    """The files of the packages, by their paths below ``code``."""
    paths = sorted(
        path
        for package in PACKAGES
        for path in (code / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    )
    return {str(path.relative_to(code)): path.read_bytes() for path in paths}


def _key(commit: str, content: Mapping[str, bytes]) -> str:
    return files.digest([commit, {name: data.hex() for name, data in content.items()}])


def _holds(folder: Path, key: str) -> bool:
    """Whether an earlier copy still has the content that its name is the hash of."""
    try:
        recorded = read_bytes(folder / provenance.COMMIT_FILE) or b""
        return _key(recorded.decode().strip(), _content(folder)) == key
    except ValueError:
        return False
