"""Site files: where jobs run, one file per place, strictly read."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

SITES = Path(__file__).parent / "sites"

Count = Annotated[int, Field(ge=1)]

_NUMBER = re.compile(r"[-+]?(0|[1-9][0-9]*)(\.[0-9]*)?")
# fmt: off
_DECIDED = frozenset([  # options of sbatch that the suite sets itself
    "account", "array", "chdir", "constraint", "cpus-per-task", "dependency", "error",
    "export", "gpus-per-node", "job-name", "kill-on-invalid-dep", "mem", "no-requeue", "nodes",
    "ntasks", "ntasks-per-node", "open-mode", "output", "partition", "qos", "requeue",
    "signal", "time", "wait", "wckey", "wrap",
])
# fmt: on


class _Site(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: str
    environment: dict[str, str] = {}

    @field_validator("environment")
    @classmethod
    def _variables(cls, environment: dict[str, str]) -> dict[str, str]:
        for name in environment:
            if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
                raise ValueError(f"{name!r} is no name of a variable")
            if name == "PYTHONPATH":
                raise ValueError("PYTHONPATH is set to the copy of the code that a job runs")
        return environment


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
        from joblib import cpu_count  # knows a process's affinity and its container's limit

        return self.processes or cpu_count()


class SlurmSite(_Site):
    """A cluster, or a part of one, with Slurm. What is left out is left to Slurm's defaults.

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
        wckey: to charge; sbatch is given none otherwise.
        sbatch: any other option of sbatch by its long name, such as ``reservation: spring``; true
            for one without a value.
        setup: lines of shell before Python starts, such as ``module load cuda``.
    """

    backend: Literal["slurm"]
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    nodes: Count = 1
    tasks_per_node: Count = 1
    gpus_per_node: Annotated[int, Field(ge=0)] = 0
    cpus_per_task: Count = 1
    memory_gib_per_task: Annotated[float, Field(gt=0, strict=False)] | None = None
    minutes: Count
    signal_seconds: Count = 120
    max_array: Count = 1000
    parallelism: Count = 256
    requeue: Annotated[int, Field(ge=0)] = 5
    wckey: str | None = None
    sbatch: dict[str, str | int | Literal[True]] = {}
    setup: tuple[str, ...] = Field(default=(), strict=False)

    @field_validator("sbatch")
    @classmethod
    def _free(cls, options: dict[str, Any]) -> dict[str, Any]:
        for name, value in options.items():
            if not re.fullmatch(r"[a-z][a-z-]*", name):
                raise ValueError(f"{name!r} is no long name of an option of sbatch")
            if name in _DECIDED:
                raise ValueError(f"{name!r} is decided by the suite, from the site's other keys")
            if isinstance(value, str) and not value.isprintable():
                raise ValueError(f"{name!r} holds a character that does not print")
        return options

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
_KINDS: dict[str, type[ProcessSite] | type[SlurmSite]] = {
    "inline": ProcessSite,
    "local": ProcessSite,
    "slurm": SlurmSite,
}


def sites() -> list[str]:
    """Names of the sites that have a file."""
    return sorted(path.stem for path in SITES.glob("*.yaml"))


def load_site(name: str) -> Site:
    """Read ``slurm/sites/<name>.yaml``.

    Raises:
        ValueError: if there is no such site, or its file has an unknown or repeated key, or a
            value that cannot be; the message names the file and the legal keys or backends.
    """
    path = SITES / f"{name}.yaml"
    if not path.is_file():
        raise ValueError(f"unknown site {name!r}; known: {', '.join(sites())}")
    return read_site(path)


def read_site(path: Path) -> Site:
    """:func:`load_site` of a file elsewhere."""
    data = _mapping(path)
    backend = data.get("backend")
    if not isinstance(backend, str) or backend not in _KINDS:
        raise ValueError(f"{path.name}: backend is {backend!r}; known: {', '.join(_KINDS)}")
    kind = _KINDS[backend]
    legal = [key for key in kind.model_fields if key != "name"]
    if unknown := [key for key in data if key not in legal]:
        raise ValueError(f"{path.name}: unknown key {unknown[0]!r}; known: {', '.join(legal)}")
    try:
        return kind.model_validate({**data, "name": path.stem})
    except ValidationError as problem:
        first = problem.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        if first["type"] == "missing":
            message = f"{where} is missing"
        elif where:
            message = f"{where} is {first['input']!r}: {message}"
        raise ValueError(f"{path.name}: {message}") from None


def _mapping(path: Path) -> Mapping[str, Any]:
    try:
        node = yaml.compose(path.read_text(), Loader=yaml.SafeLoader)
        data = yaml.safe_load(path.read_text())
    except yaml.YAMLError as problem:
        raise ValueError(f"{path.name}: {' '.join(str(problem).split())}") from None
    if not isinstance(data, dict) or not isinstance(node, yaml.MappingNode):
        raise ValueError(f"{path.name}: keys and values are expected")
    keys = [key.value for key, _ in node.value]
    for scalar in _scalars(node):
        # YAML 1.1 reads 12:00:00 to the base of 60 and 010 to the base of 8.
        if scalar.tag.endswith((":int", ":float")) and not _NUMBER.fullmatch(scalar.value):
            line = scalar.start_mark.line + 1
            message = f"{scalar.value} is no plain number, such as 720; quote it if it is text"
            raise ValueError(f"{path.name}: line {line}: {message}")
    if repeated := [key for key in keys if keys.count(key) > 1]:
        raise ValueError(f"{path.name}: {repeated[0]!r} is given twice")
    return data


def _scalars(node: yaml.Node) -> Iterator[yaml.ScalarNode]:
    """All values and keys below a node."""
    if isinstance(node, yaml.ScalarNode):
        yield node
    for child in node.value if isinstance(node, yaml.CollectionNode) else ():
        for part in child if isinstance(child, tuple) else (child,):
            yield from _scalars(part)
