"""Submitting arrays of jobs to Slurm, by submitit."""

import contextlib
import importlib
import math
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slurm import commands
from slurm.site import SlurmSite

PYTHON = shlex.quote(sys.executable)
"""Jobs run the interpreter of the command that submits them."""

AGAIN = 85
"""Exit code of a job that wants to be requeued."""

MAX_KILLED = 100
"""How often a job that was killed is requeued at most: it may have died before it noted that."""

TEARDOWN = f"""\
code=$?
# The plain id of an array's last task is that of the array.
job=${{SLURM_ARRAY_JOB_ID:+${{SLURM_ARRAY_JOB_ID}}_$SLURM_ARRAY_TASK_ID}}
job=${{job:-$SLURM_JOB_ID}}
killed=$([ $code -gt 128 ] && [ ${{SLURM_RESTART_COUNT:-0}} -lt {MAX_KILLED} ] && echo yes)
if [ $code -eq {AGAIN} ] || [ "$killed" ]; then
  for try in 1 2 3 4 5; do
    if state=$(squeue --all --states=all --noheader --jobs=$job --format=%T); then
      # A job that was cancelled as a whole is no longer running, and stays cancelled.
      [ "$state" = RUNNING ] || break
      scontrol requeue $job && break
    fi
    sleep 5
  done
fi
exit $code"""


@dataclass(frozen=True)
class Array:
    """Jobs that differ only in the arguments of their function.

    Attributes:
        name: shown by the queue.
        target: the function, as ``module:function``.
        calls: its keyword arguments, for each job.
        num_tasks: tasks, or ranks, that each job can use.
        after: ids of jobs that must end well before any of these starts.
    """

    name: str
    target: str
    calls: Sequence[Mapping[str, Any]]
    num_tasks: int = 1
    after: tuple[str, ...] = ()


def shape(site: SlurmSite, num_tasks: int) -> tuple[int, int]:
    """Nodes, and tasks on each, for a job that can use ``num_tasks`` tasks."""
    tasks = min(num_tasks, site.nodes * site.tasks_per_node)
    nodes = math.ceil(tasks / site.tasks_per_node)
    return nodes, tasks // nodes


def _parameters(array: Array, site: SlurmSite, python_path: Path) -> dict[str, Any]:
    nodes, per_node = shape(site, array.num_tasks)
    gpus = site.gpus_per_node // site.tasks_per_node * per_node
    additional: dict[str, Any] = {"requeue" if site.requeue else "no-requeue": True}
    if array.after:
        additional["dependency"] = f"afterok:{':'.join(array.after)}"
        additional["kill-on-invalid-dep"] = "yes"
    variables = {**site.environment, "PYTHONPATH": str(python_path)}
    wanted = {
        "job_name": array.name,
        "partition": site.partition,
        "account": site.account,
        "qos": site.qos,
        "constraint": site.constraint,
        "nodes": nodes,
        "ntasks_per_node": per_node,
        "gpus_per_node": gpus or None,
        "cpus_per_task": site.cpus_per_task,
        "time": site.minutes,
        "signal_delay_s": site.signal_seconds,
        "array_parallelism": site.parallelism,
        "stderr_to_stdout": True,
        # Since 22.05 srun does not inherit the cores of a task from sbatch.
        "srun_args": ["--kill-on-bad-exit=1", f"--cpus-per-task={site.cpus_per_task}"],
        "setup": [*(f"export {k}={shlex.quote(v)}" for k, v in variables.items()), *site.setup],
        "teardown": TEARDOWN.splitlines() if site.requeue else None,
    }
    if site.memory_gib_per_task is not None:
        wanted["mem"] = f"{math.ceil(1024 * site.memory_gib_per_task * per_node)}MB"
    for option, value in site.sbatch.items():
        key = option.replace("-", "_")
        # Under submitit's own name of an option, the value replaces submitit's.
        additional[key if key in wanted else option] = value
    given = {key: value for key, value in wanted.items() if value is not None}
    # submitit names a wckey of its own if it is given none.
    return {**given, "wckey": site.wckey, "additional_parameters": additional}


def script(array: Array, site: SlurmSite, folder: Path, python_path: Path) -> str:
    """The text that sbatch would be given; needs no Slurm.

    Args:
        array: the jobs; ``after`` may hold words in place of ids.
        site: where.
        folder: receives what submitit writes.
        python_path: root of the code that the jobs run.
    """
    # submitit's own function, because its executor cannot be made where there is no srun.
    from submitit.slurm import slurm

    count = len(array.calls) if len(array.calls) > 1 else None
    command = slurm.SlurmExecutor._submitit_command_str.fget(  # type: ignore[attr-defined]
        _Rendering(folder)
    )
    parameters = _parameters(array, site, python_path)
    with _withheld_options():
        return slurm._make_sbatch_string(
            command=command, folder=folder, map_count=count, **parameters
        )


@dataclass(frozen=True)
class _Rendering:
    """What submitit's executor must have for its command to be written."""

    folder: Path
    python: str = PYTHON


def submit(array: Array, site: SlurmSite, folder: Path, python_path: Path) -> list[str]:
    """Submit all jobs of an array with one call of sbatch.

    Args:
        array: at most ``site.max_array`` jobs.
        site: where.
        folder: receives what submitit writes, and what the jobs print before their function runs.
        python_path: root of the code that the jobs run.

    Returns:
        The ids of the jobs, in the order of the calls.

    Raises:
        OSError: with sbatch's own words, if it refuses.
    """
    import submitit

    assert 0 < len(array.calls) <= site.max_array
    commands.require()
    module, name = array.target.split(":")
    function = getattr(importlib.import_module(module), name)
    # One folder for all jobs: submitit makes a job's own folder when the job may have started.
    executor = submitit.SlurmExecutor(folder, python=PYTHON)
    executor.update_parameters(**_parameters(array, site, python_path))
    try:
        with _withheld_options(), commands.without_other_jobs(), executor.batch():
            jobs = [executor.submit(function, **call) for call in array.calls]
    except (submitit.core.utils.FailedJobError, submitit.core.utils.FailedSubmissionError) as error:
        lines = [line for line in str(error).splitlines() if "error" in line.lower()]
        raise OSError(f"sbatch refused: {lines[-1] if lines else error}") from None
    return [job.job_id for job in jobs]


@contextlib.contextmanager
def _withheld_options() -> Iterator[None]:
    """Let an option that is False be left out of the script.

    Submitit has no way to leave out what it always writes, such as ``--open-mode``, and makes the
    executor of an array itself, so that a class derived from its own would not be asked.
    """
    from submitit.slurm import slurm

    write = slurm._as_sbatch_flag

    def write_or_withhold(key: str, value: Any) -> str:
        if value is False:
            return f"# The site's file withholds --{key.replace('_', '-')}."
        return write(key, value)

    slurm._as_sbatch_flag = write_or_withhold
    try:
        yield
    finally:
        slurm._as_sbatch_flag = write
