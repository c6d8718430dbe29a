"""What made a number: commit, packages, processor, threads. No machine paths."""

import functools
import glob
import platform
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.store import files
from benchmarks.store.files import DamagedFileError
from benchmarks.store.records import Attempt
from slurm.cores import num_cores

COMMIT_FILE = "COMMIT"
"""A file of a copy of the code, which has no history: it holds the commit of the original."""

COMMIT = re.compile(rb"([0-9a-f]{7,40}\+?|unknown)\n")
PACKAGES = ("torch", "torchvision", "torchaudio", "av", "numpy", "scipy", "scikit-learn")
INSTRUCTIONS = (
    *("avx2", "avx512f", "avx512_bf16", "avx512_fp16", "amx_tile", "amx_bf16"),  # x86-64
    *("asimd", "sve", "sve2", "bf16", "i8mm"),  # arm64
)
"""Flags of a processor by which torch, oneDNN and BLAS choose their kernels."""


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
        "instruction_set": instruction_set(),
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
    """The processor's model: its name, and the numbers that tell models of one name apart."""
    facts = _first_core()
    name = facts.get("model name", platform.machine())
    numbers = [f"{key} {facts[key]}" for key in ("cpu family", "model") if key in facts]
    return f"{name} ({', '.join(numbers)})" if numbers else name


def instruction_set() -> str:
    """Those of :data:`INSTRUCTIONS` that the processor has; ``unknown`` if the system hides it."""
    facts = _first_core()
    flags = facts.get("flags", facts.get("Features"))
    if flags is None:
        return "unknown"
    return " ".join(flag for flag in INSTRUCTIONS if flag in flags.split()) or "none"


def processor_of(attempts: Iterable[Attempt]) -> str:
    """What some attempts computed on: model, instruction set, kernels, threads; GPU if any.

    Attempts that differ in none of these give the same bits on processor cores, if their code,
    settings, data and library versions are the same. Unlike ones are joined by ``and``.
    """
    return " and ".join(dict.fromkeys(map(_computed_on, attempts)))


def _computed_on(attempt: Attempt) -> str:
    chosen = "".join(f", {name} {what}" for name, what in attempt.get("kernels", {}).items())
    known = attempt.get("instruction_set", "instruction set unknown")
    threads = attempt["threads"]
    words = f"{attempt['processor']}: {known}{chosen}; {threads} thread{'s' * (threads != 1)}"
    return words if attempt["gpu"] == "none" else f"{words}; GPU {attempt['gpu']}"


def gpu() -> str:
    """The model name of the first NVIDIA GPU, without asking torch."""
    for information in sorted(glob.glob("/proc/driver/nvidia/gpus/*/information")):
        for line in Path(information).read_text().splitlines():
            if line.startswith("Model"):
                return line.partition(":")[2].strip()
    return "none"


def _first_core() -> dict[str, str]:
    """What the system says of the first processor core; empty where it says nothing."""
    path = Path("/proc/cpuinfo")
    text = path.read_text() if path.exists() else ""
    lines = (line.partition(":") for line in text.partition("\n\n")[0].splitlines())
    return {key.strip(): value.strip() for key, _, value in lines}
