"""The commit that the guard compares with, and what a newer one changes."""

import json
from collections.abc import Mapping
from pathlib import Path

from benchmarks.store.files import write_text
from benchmarks.throughput.worktree import full_hash, git

FILE = Path("benchmarks/throughput/baseline.json")
WATCHED = ("iicl", "benchmarks", "slurm")
"""Folders whose code is timed."""


def read(root: Path) -> str:
    """The full hash of the baseline.

    Raises:
        ValueError: if the file is missing or names no commit, or this clone does not have it.
    """
    path = root / FILE
    legal = '{"commit": "40 hexadecimal digits"}'
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError) as problem:
        raise ValueError(f"{path}: {problem}; legal: {legal}") from problem
    commit = content.get("commit") if isinstance(content, Mapping) else None
    if not isinstance(commit, str) or len(commit) != 40 or set(commit) - set("0123456789abcdef"):
        raise ValueError(f"{path}: commit {commit!r}; legal: {legal}")
    return full_hash(root, commit)


def check_committed(root: Path) -> None:
    """Refuse a checkout whose timed code is not that of its last commit.

    Raises:
        ValueError: naming the first file that differs.
    """
    if changed := git(root, "status", "--porcelain", "--", *WATCHED).splitlines():
        raise ValueError(
            f"{changed[0][3:]} is not committed: the baseline is a commit, so commit first"
        )


def move(root: Path, old: str, new: str) -> list[str]:
    """Let the baseline be another commit.

    Args:
        root: of the checkout whose file is written.
        old: full hash of the present baseline.
        new: full hash of the next one.

    Returns:
        What that changes, in lines.
    """
    write_text(root / FILE, json.dumps({"commit": new}) + "\n")
    if old == new:
        return [f"the baseline is {old} already"]
    commits = git(root, "log", "--oneline", "--no-decorate", f"{old}..{new}", "--", *WATCHED)
    files = git(root, "diff", "--shortstat", old, new, "--", *WATCHED).strip()
    return [
        f"baseline: {old} -> {new}",
        f"{len(commits.splitlines())} commits of the timed code: {files or 'no file differs'}",
        *(f"  {line}" for line in commits.splitlines()),
    ]
