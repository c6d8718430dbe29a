"""Inside a job: which of its tasks this process is; torch.distributed is told."""

import os
from dataclasses import dataclass

NEEDED = (
    "SLURM_JOB_ID",
    "SLURM_NTASKS",
    "SLURM_PROCID",
    "SLURM_LOCALID",
    "SLURM_NODEID",
    "SLURM_JOB_NUM_NODES",
    "SLURM_JOB_NODELIST",
)


@dataclass(frozen=True)
class Task:
    """One of the processes of a job.

    Attributes:
        job: the job's id, ``<array>_<task>`` for a job of an array.
        rank: its number in the job.
        num_tasks: processes of the job.
        num_nodes: nodes that they are on.
        host: name of its node.
    """

    job: str
    rank: int
    num_tasks: int
    num_nodes: int
    host: str


def enter() -> Task:
    """The task that Slurm's variables name; exported for torch.distributed if there are several.

    Raises:
        ValueError: naming the variables that are missing, if this is no task of a Slurm job, or if
            torch's variables are set already.
    """
    import submitit

    if missing := [name for name in NEEDED if name not in os.environ]:
        raise ValueError(f"not a task of a Slurm job: {', '.join(missing)} not set")
    environment = submitit.JobEnvironment()
    if environment.num_tasks > 1:
        try:
            submitit.helpers.TorchDistributedEnvironment().export(set_cuda_visible_devices=False)
        except RuntimeError as problem:
            raise ValueError(str(problem)) from None
    return Task(
        environment.job_id,
        environment.global_rank,
        environment.num_tasks,
        environment.num_nodes,
        environment.hostname,
    )
