"""Slurm, by submitit: submit arrays of jobs, and ask which jobs there are. Nobody asks ``sacct``.

What became of a job is told by the files that its function writes; the queue only says whether a
job that has written nothing yet is still to come.
"""

import contextlib
import importlib
import math
import os
import pwd
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from slurm.site import SlurmSite

AGAIN = 85
"""Exit code of a job that wants to be requeued."""

PATIENCE_SECONDS = 15.0
"""How old an answer of the queue may be that says a job is alive."""

MAX_KILLED = 100
"""How often a job is requeued at most after it was killed; some die before they can note it."""

OF_OTHER_JOBS = ("SLURM_", "SLURMD_", "SRUN_", "SBATCH_", "SQUEUE_", "SUBMITIT_")
"""Variables that would change what Slurm is told here: of a job around the launch, of a user."""
TORCH_VARIABLES = (
    "MASTER_ADDR",
    "MASTER_PORT",
    "RANK",
    "WORLD_SIZE",
    "LOCAL_RANK",
    "LOCAL_WORLD_SIZE",
)

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
    """Jobs that are equal but for what they are called with.

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
    more: dict[str, Any] = {"requeue" if site.requeue else "no-requeue": True}
    if array.after:
        dependency = {
            "dependency": f"afterok:{':'.join(array.after)}",
            "kill-on-invalid-dep": "yes",
        }
        more |= dependency
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
        more[key if key in wanted else option] = value  # submitit writes these in place of its own
    given = {key: value for key, value in wanted.items() if value is not None}
    # submitit names a wckey of its own if it is given none.
    return {**given, "wckey": site.wckey, "additional_parameters": more}


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
    folder: Path
    python: str = "python"


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
    require()
    module, name = array.target.split(":")
    function = getattr(importlib.import_module(module), name)
    # One folder for all: one for each job would be made only when some may have started.
    executor = submitit.SlurmExecutor(folder)
    executor.update_parameters(**_parameters(array, site, python_path))
    try:
        with _withheld_options(), _without_other_jobs(), executor.batch():
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


@contextlib.contextmanager
def _without_other_jobs() -> Iterator[None]:
    """Hide what a shell says of other jobs; sbatch would put it above its script."""
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


def _ask(*command: str) -> str:
    try:
        with _without_other_jobs():
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise OSError(f"{command[0]} does not answer: {problem}") from None
    if done.returncode or "Invalid user" in done.stderr:
        raise OSError(f"{command[0]} does not answer: {' '.join(done.stderr.split())}")
    return done.stdout


def _is_known(user: str) -> bool:
    try:
        return bool(pwd.getpwnam(user))
    except KeyError:
        return False


@dataclass
class Queue:
    """The jobs that Slurm has yet to run or is running, asked for seldom.

    Attributes:
        user: who asks; others' jobs may be hidden from them.
        tolerant: where Slurm does not answer, say so once and count every job as alive.
        num_calls: how often Slurm was asked.
    """

    user: str
    tolerant: bool = False
    num_calls: int = 0
    _cluster: str | None = None
    _hides_others: bool = False
    _silent_since: float = -math.inf
    _jobs: dict[str, tuple[str, str]] = field(default_factory=dict)
    _users: set[str] = field(default_factory=set)
    _asked: float = -math.inf

    def cluster(self) -> str:
        """The name of the cluster that this host belongs to; empty where there is no Slurm.

        Raises:
            OSError: if Slurm does not answer.
        """
        if self._cluster is None:
            name = ""
            if shutil.which("scontrol"):
                self.num_calls += 1
                for line in _ask("scontrol", "show", "config").splitlines():
                    key, _, value = (word.strip() for word in line.partition("="))
                    if key == "ClusterName":
                        name = value
                    if key == "PrivateData":
                        self._hides_others = "jobs" in value.split(",") or value == "all"
            self._cluster = name
        return self._cluster

    def forget(self) -> None:
        """Ask anew next time."""
        self._asked = -math.inf

    def state(self, cluster: str, user: str, job: str) -> tuple[str, str] | None:
        """What the queue says of a job.

        Args:
            cluster: name of the cluster that has it.
            user: who submitted it.
            job: its id, ``<array>_<task>`` for a job of an array.

        Returns:
            Slurm's state and its reason, such as ``("PENDING", "Dependency")``; UNKNOWN for a job
            of another cluster, or of another user where Slurm hides them; None if it is over.

        Raises:
            OSError: if Slurm does not answer: then nobody knows.
        """
        try:
            return self._state(cluster, user, job)
        except OSError as problem:
            if not self.tolerant:
                raise
            if self._silent_since == -math.inf:
                print(f"{problem}; submitted runs are taken to be running", file=sys.stderr)
            self._silent_since = time.monotonic()
            return "UNKNOWN", "Slurm does not answer"

    def _state(self, cluster: str, user: str, job: str) -> tuple[str, str] | None:
        if time.monotonic() - self._silent_since < PATIENCE_SECONDS:
            return "UNKNOWN", "Slurm does not answer"
        if cluster != self.cluster():
            return "UNKNOWN", f"a job of cluster {cluster}"
        if user != self.user and (self._hides_others or not _is_known(user)):
            return "UNKNOWN", f"a job of {user}, which is hidden from {self.user}"
        if user not in self._users:
            self._users.add(user)
            self.forget()
        age = time.monotonic() - self._asked
        # That a job is over is believed only of an answer younger than the question.
        if age > PATIENCE_SECONDS or (job not in self._jobs and age > 1.0):
            self._refresh()
        return self._jobs.get(job)

    def _refresh(self) -> None:
        self.num_calls += 1
        self._asked = time.monotonic()
        users = ",".join(sorted(self._users))
        text = _ask(
            "squeue", "--all", "--noheader", "--array", f"--user={users}", "--format=%i|%T|%r"
        )
        rows = (line.strip().split("|") for line in text.splitlines())
        self._jobs = {row[0]: (row[1], row[2]) for row in rows if len(row) == 3}
