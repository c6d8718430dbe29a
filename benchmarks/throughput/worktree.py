"""Commits of this repository, and checkouts of them in temporary folders."""

import contextlib
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import FrameType


def git(root: Path, *arguments: str) -> str:
    """The output of a git command, without the line break at its end.

    Raises:
        ValueError: with the last line of git's complaint if the command fails.
    """
    finished = subprocess.run(
        ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False
    )
    if finished.returncode != 0:
        complaint = finished.stderr.strip().splitlines() or ["no reason given"]
        raise ValueError(f"git {arguments[0]}: {complaint[-1]}")
    return finished.stdout.rstrip("\n")


def full_hash(root: Path, commit: str) -> str:
    """The full hash of a commit.

    Raises:
        ValueError: if this clone does not have it.
    """
    with contextlib.suppress(ValueError):
        return git(root, "rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}")
    raise ValueError(
        f"commit {commit} is not in this clone; if the clone is shallow, `git fetch --unshallow`"
        " gets it"
    )


@contextlib.contextmanager
def checked_out(root: Path, commit: str) -> Iterator[Path]:
    """A temporary folder with a commit in it, removed at the end of the block whatever happens.

    Inside the block SIGTERM is an exception, as Ctrl-C is, so that it too removes the folder.

    Args:
        root: of a checkout; its files and its index stay as they are.
        commit: that the clone has.
    """
    before = signal.signal(signal.SIGTERM, _stop)
    try:
        with tempfile.TemporaryDirectory(prefix="throughput-") as folder:
            tree = Path(folder) / "tree"
            try:
                git(root, "worktree", "add", "--detach", "--quiet", str(tree), commit)
                yield tree
            finally:
                with contextlib.suppress(ValueError):  # it may not have been added
                    git(root, "worktree", "remove", "--force", str(tree))
    finally:
        signal.signal(signal.SIGTERM, before)


def _stop(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt(signal.Signals(number).name)
