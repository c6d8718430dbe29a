"""Site files: where jobs run, one file per place, strictly read."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainValidator, model_validator

from slurm.cores import num_cores
from slurm.strict_yaml import load

SITES = Path(__file__).parent / "sites"

OWN_KEY = {
    "account": "account",
    "constraint": "constraint",
    "cpus-per-task": "cpus_per_task",
    "gpus-per-node": "gpus_per_node",
    "mem": "memory_gib_per_task",
    "no-requeue": "requeue",
    "nodes": "nodes",
    "ntasks-per-node": "tasks_per_node",
    "partition": "partition",
    "qos": "qos",
    "requeue": "requeue",
    "signal": "signal_seconds",
    "time": "minutes",
    "wckey": "wckey",
}
"""Options of sbatch that a key of the site says -> that key."""

ALWAYS_SENT = ("job-name", "open-mode", "output")
"""Options of sbatch that no key says and every script has."""

# fmt: off
_NEEDED = frozenset([
    "array", "chdir", "dependency", "error", "export", "kill-on-invalid-dep", "ntasks", "wait",
    "wrap",
])
# fmt: on


def _variable(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise ValueError("no name of a variable; legal are letters, digits and _, no digit first")
    if name == "PYTHONPATH":
        raise ValueError("PYTHONPATH is set to the copy of the code that a job runs")
    return name


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("no variable can hold the character \\0")
    return text


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("a character in it does not print")
    return text


def _option(name: str) -> str:
    if not re.fullmatch(r"[a-z][a-z-]*", name):
        raise ValueError("no long name of an option of sbatch, such as mail-type")
    if name in _NEEDED:
        raise ValueError("the suite needs this option for its own work")
    return name


def _value(value: Any) -> str | int | bool:
    if not isinstance(value, str | int):
        raise ValueError("legal are text, a whole number, true and false")
    return _printable(value) if isinstance(value, str) else value


Count = Annotated[int, Field(ge=1)]
Word = Annotated[str, Field(min_length=1), AfterValidator(_printable)]
Variables = dict[
    Annotated[str, AfterValidator(_variable)], Annotated[str, AfterValidator(_without_nul)]
]
Options = dict[
    Annotated[str, AfterValidator(_option)], Annotated[str | int | bool, PlainValidator(_value)]
]


class _Site(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: str
    environment: Variables = {}


class ProcessSite(_Site):
    """This machine.

    Attributes:
        name: the name of its file.
        environment: variables set for every job, before anything is imported in it.
        backend: ``inline``, one job after the other in the calling process, or ``local``, a fresh
            process per job.
        processes: jobs at the same time; ``None`` is one per processor core this process may use.
    """

    backend: Literal["inline", "local"]
    processes: Count | None = None

    def num_processes(self) -> int:
        """Jobs that run at the same time."""
        return self.processes or num_cores()


class SlurmSite(_Site):
    """A cluster, or a part of one, with Slurm. Slurm's defaults hold for what is left out.

    Attributes:
        name: the name of its file.
        environment: variables set for every job, before Python starts.
        backend: ``slurm``.
        partition: to submit to.
        account: to charge.
        qos: quality of service.
        constraint: features that nodes must have.
        nodes: nodes of a job that can use many tasks.
        tasks_per_node: tasks, or ranks, on each of them. Other jobs have one task.
        gpus_per_node: GPUs of such a node, shared out evenly to its tasks.
        cpus_per_task: processor cores of a task.
        memory_gib_per_task: memory; sbatch is asked for the sum over a node.
        minutes: time limit of a job. A run that takes longer goes on in a requeued job.
        signal_seconds: how long before the limit a job is told to save and requeue.
        max_array: tasks in one array at most; the site's MaxArraySize or a limit on submissions.
        parallelism: tasks of one array that run at the same time at most.
        requeue: how often in a row a run may be killed, preempted or timed out without getting
            any further before it counts as failed; 0 requeues nothing.
        wckey: to charge; None sends none.
        sbatch: any other option of sbatch by its long name, such as ``reservation: spring``; true
            for one without a value, false for one that sbatch is otherwise given and must not be.
        setup: lines of shell before Python starts, such as ``module load cuda``.
    """

    backend: Literal["slurm"]
    partition: Word | None = None
    account: Word | None = None
    qos: Word | None = None
    constraint: Word | None = None
    nodes: Count = 1
    tasks_per_node: Count = 1
    gpus_per_node: Annotated[int, Field(ge=0)] = 0
    cpus_per_task: Count = 1
    memory_gib_per_task: Annotated[float, Field(gt=0)] | None = None
    minutes: Count
    signal_seconds: Count = 120
    max_array: Count = 1000
    parallelism: Count = 256
    requeue: Annotated[int, Field(ge=0)] = 5
    wckey: Word | None = None
    sbatch: Options = {}
    setup: tuple[str, ...] = Field(default=(), strict=False)

    @model_validator(mode="after")
    def _even(self) -> "SlurmSite":
        if self.gpus_per_node % self.tasks_per_node:
            raise ValueError(
                f"gpus_per_node {self.gpus_per_node} cannot be shared evenly by"
                f" tasks_per_node {self.tasks_per_node}"
            )
        if self.signal_seconds >= 60 * self.minutes:
            raise ValueError(
                f"signal_seconds {self.signal_seconds} is no less than minutes {self.minutes}"
            )
        return self


Site = ProcessSite | SlurmSite
_KINDS = ("inline", "local", "slurm")


def sites() -> list[str]:
    """Names of the sites that have a file."""
    return sorted(path.stem for path in SITES.glob("*.yaml"))


def load_site(name: str) -> Site:
    """Read ``slurm/sites/<name>.yaml``.

    Raises:
        ValueError: if there is no such site; and as :func:`read_site`.
    """
    path = SITES / f"{name}.yaml"
    if not path.is_file():
        raise ValueError(f"unknown site {name!r}; known: {', '.join(sites())}")
    return read_site(path)


def read_site(path: Path) -> Site:
    """:func:`load_site` of a file elsewhere.

    Raises:
        ValueError: with file and line, at the first mistake in it.
    """
    file = load(path)
    backend, legal = file.data.get("backend"), ", ".join(_KINDS)
    if "backend" not in file.data:
        raise file.error((), f"backend is missing; known: {legal}")
    if not isinstance(backend, str) or backend not in _KINDS:
        raise file.error(("backend",), f"backend is {backend!r}; known: {legal}")
    if backend != "slurm":
        return file.validate(ProcessSite, name=path.stem)
    site = file.validate(SlurmSite, name=path.stem)
    for option, value in site.sbatch.items():
        if problem := _misplaced(option, value):
            raise file.error(("sbatch", option), f"sbatch.{option} is {value!r}: {problem}")
    return site


def _misplaced(option: str, value: str | int | bool) -> str:
    """Why an option may not have this value; empty if it may."""
    if value is False and option not in (*OWN_KEY, *ALWAYS_SENT):
        sent = ", ".join(sorted([*OWN_KEY, *ALWAYS_SENT]))
        return f"it is not sent anyway; false is for {sent}"
    if value is not False and option in OWN_KEY:
        return f"it is said by the site's key {OWN_KEY[option]}; here it can only be false"
    return ""
