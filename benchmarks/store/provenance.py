"""What made a number: commit, packages, processor, threads. No machine paths."""

import functools
import glob
import platform
import re
import subprocess
from pathlib import Path
from typing import Any

from benchmarks.store import files
from benchmarks.store.files import DamagedFileError
from slurm.cores import num_cores

COMMIT_FILE = "COMMIT"
"""A file of a copy of the code, which has no history: it holds the commit of the original."""

COMMIT = re.compile(rb"([0-9a-f]{7,40}\+?|unknown)\n")
PACKAGES = ("torch", "torchvision", "torchaudio", "av", "numpy", "scipy", "scikit-learn")


def describe(threads: int) -> dict[str, Any]:
    """The software and hardware of this process.

    Args:
        threads: processor threads that one run may use.
    """
    return {
        "commit": commit(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "processor": processor(),
        "cores": num_cores(),
        "gpu": gpu(),
        "threads": threads,
    }


@functools.cache
def commit(root: Path = Path(__file__).parents[2]) -> str:
    """Short hash of the checkout's commit, with ``+`` when tracked files differ from it.

    Args:
        root: the checkout, or a copy of one.

    Raises:
        DamagedFileError: if a copy does not say of what commit it is.
    """
    recorded = files.read_bytes(root / COMMIT_FILE, max_bytes=100)
    if recorded is not None:
        if not COMMIT.fullmatch(recorded):
            raise DamagedFileError(root / COMMIT_FILE, f"{recorded!r} is no commit")
        return recorded.decode().strip()

    def git(*arguments: str) -> str:
        call = ["git", "-C", str(root), *arguments]
        return subprocess.run(call, capture_output=True, text=True, check=True).stdout.strip()

    try:
        changed = git("status", "--porcelain", "--untracked-files=no", "--", "iicl", "benchmarks")
        return git("rev-parse", "--short=10", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _version(package: str) -> str:
    from importlib import metadata  # a plan needs no version

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "absent"


def processor() -> str:
    """The processor's model name."""
    for line in _cpuinfo():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def gpu() -> str:
    """The model name of the first NVIDIA GPU, without asking torch."""
    for information in sorted(glob.glob("/proc/driver/nvidia/gpus/*/information")):
        for line in Path(information).read_text().splitlines():
            if line.startswith("Model"):
                return line.partition(":")[2].strip()
    return "none"


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []
