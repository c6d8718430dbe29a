"""Submitting runs to the cluster by themselves, without a table around them."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.launch import snapshot
from benchmarks.launch.job import JobPayload
from benchmarks.store.home import Home
from slurm import scheduler
from slurm.devcluster.cluster import DevCluster
from slurm.scheduler import Array
from slurm.site import SlurmSite

ROOT = Path(__file__).parents[3]
SPEC = {
    "identity": {"spec": "", "code": ""},
    "resolved": {"stage": "retrieval"},
    "upstream": {},
    "clips": 0,
    "flops": 0.0,
}
SITE = SlurmSite(
    name="test",
    backend="slurm",
    nodes=2,
    minutes=10,
    signal_seconds=60,
    requeue=3,
    environment={"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
)


def wait_until(condition: Callable[[], bool], seconds: float, message: str) -> None:
    """Look again and again, for a bounded time: what is waited for is another process's doing."""
    deadline, never = time.monotonic() + seconds, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, message
        never.wait(0.1)


def submit(
    home: Home,
    runs: Mapping[str, Mapping[str, Any]],
    *,
    stages: str = "benchmarks.stages",
    site: SlurmSite = SITE,
    num_tasks: int = 1,
    after: Sequence[str] = (),
    together: bool = False,
) -> dict[str, str]:
    """Claim runs and submit them, one job each or all in one; run id -> job."""
    for run_id in runs:
        assert home.claim(run_id, SPEC)
    cluster = home.queue.cluster()

    def work(*run_ids: str) -> dict[str, JobPayload]:
        common = {"stages": stages, "home": home.root, "execution": {}, "upstream": {}}
        common["claims"] = "0" * 64
        calls = [{**common, "run_id": run_id, **runs[run_id]} for run_id in run_ids]
        assigned = JobPayload(
            "benchmarks.launch.attempt:run",
            calls,
            stages,
            home.root,
            home.token,
            cluster,
            site.name,
            site.requeue,
        )
        return {"payload": assigned}

    works = [work(*runs)] if together else [work(run_id) for run_id in runs]
    array = Array("iicl-test", "benchmarks.launch.job:carry_out", works, num_tasks, tuple(after))
    ids = scheduler.submit(array, site, home.jobs, snapshot.take(ROOT, home.root))
    held = dict.fromkeys(runs, ids[0]) if together else dict(zip(runs, ids, strict=True))
    home.hand_over(held)
    return held


def ended(home: Home, run_id: str) -> list[str]:
    """How each attempt at a run ended."""
    return [attempt["ended"] for attempt in home.run(run_id).attempts()]


def task_pid(job: str, rank: int) -> int:
    """The process of a task of a job, found by its environment."""
    array, _, index = job.partition("_")
    name = "SLURM_ARRAY_JOB_ID" if index else "SLURM_JOB_ID"
    wanted = {f"{name}={array}", f"SLURM_PROCID={rank}"}
    if index:
        wanted.add(f"SLURM_ARRAY_TASK_ID={index}")
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
            variables = set((folder / "environ").read_text(errors="replace").split("\0"))
        except OSError:
            continue
        if b"submitit.core._submit" in command and wanted <= variables:
            return int(folder.name)
    raise AssertionError(f"no process of task {rank} of job {job}")


def state(cluster: DevCluster, job: str) -> str:
    """Slurm's word for a job."""
    text = cluster.ask("scontrol", "show", "job", job)
    return text.partition("JobState=")[2].split()[0]
