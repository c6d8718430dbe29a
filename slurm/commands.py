"""Slurm's commands: whether they are there, and what they answer."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator

OF_OTHER_JOBS = ("SLURM_", "SLURMD_", "SRUN_", "SBATCH_", "SQUEUE_", "SUBMITIT_")
"""Variables of a surrounding job, or of the user, that would change what Slurm is told."""
TORCH_VARIABLES = (
    "MASTER_ADDR",
    "MASTER_PORT",
    "RANK",
    "WORLD_SIZE",
    "LOCAL_RANK",
    "LOCAL_WORLD_SIZE",
)


@contextlib.contextmanager
def without_other_jobs() -> Iterator[None]:
    """Hide the variables of other jobs: sbatch would put them above its script."""
    hidden = {name: os.environ.pop(name) for name in list(os.environ) if _is_of_other_jobs(name)}
    try:
        yield
    finally:
        os.environ.update(hidden)


def _is_of_other_jobs(name: str) -> bool:
    return name in TORCH_VARIABLES or (name.startswith(OF_OTHER_JOBS) and name != "SLURM_CONF")


def require() -> None:
    """Look for Slurm's commands.

    Raises:
        OSError: naming those that are not there.
    """
    absent = [name for name in ("sbatch", "squeue", "scontrol", "srun") if not shutil.which(name)]
    if absent:
        raise OSError(f"this host has no {', '.join(absent)}: launch where Slurm's commands are")


def ask(*command: str) -> str:
    """The words that a command prints.

    Raises:
        OSError: if it fails or does not answer within a minute.
    """
    try:
        with without_other_jobs():
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise OSError(f"{command[0]} does not answer: {problem}") from None
    if done.returncode or "Invalid user" in done.stderr:
        raise OSError(f"{command[0]} does not answer: {' '.join(done.stderr.split())}")
    return done.stdout
