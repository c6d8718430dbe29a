"""A training on the cluster that something happens to ends in the weights it would have had."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jobs
import pytest
from jobs import SITE, ended, submit, task_pid, wait_until

from benchmarks import stages
from benchmarks.launch import attempt
from benchmarks.store.home import Home
from iicl.config import Preparation
from iicl.data.prepare import prepare
from iicl.data.synthetic.write import generate
from slurm.devcluster.cluster import DevCluster

RUN = "pretrain-test"
WEIGHTS = "weights.safetensors"
EPOCHS = 30


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Arguments of a run of many short steps that saves every second."""
    folder = tmp_path_factory.mktemp("corpus")
    generate("audioset", folder / "source", num_items=40, seed=0, num_workers=2)
    prepare(
        "audioset",
        folder / "source",
        folder / "prepared",
        corpus="audioset",
        preparation=Preparation(short_side=32, max_fps=8.0),
        num_workers=2,
    )
    (_, phase) = stages.resolve(
        "pretrain",
        {
            "corpus": "audioset",
            "seed": 0,
            "method": {"name": "iicl", "clusters": 4},
            "precision": "float32",
            "clip": {"num_frames": 8, "fps": 8.0, "size": 32},
            "encoders": {"video_width": 8, "video_depth": 1, "audio_width": 8, "audio_depth": 1},
            "length": {"initialisation": EPOCHS, "co_training": 1},
            "optimisation": {"batch_size": 8, "chunk_size": 4},
        },
    )
    initialisation = {**phase, "phase": "initialisation", "epochs": EPOCHS}
    return {
        "resolved": initialisation,
        "corpora": {"audioset": folder / "prepared"},
        "execution": {"device": "cpu", "num_workers": 0, "checkpoint_seconds": 1},
    }


@pytest.fixture(scope="module")
def undisturbed(training: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The weights that one process ends in."""
    home = Home(tmp_path_factory.mktemp("undisturbed"))
    place = {"site": "inline", "num_ranks": 1, "num_nodes": 1}
    attempt.run(
        run_id=RUN,
        stages="benchmarks.stages",
        home=home.root,
        upstream={},
        claims="0" * 64,
        place=place,
        **training,
    )
    return (home.run(RUN).files / WEIGHTS).read_bytes()


def num_saved(home: Home) -> int:
    names = [path.name for path in (home.run(RUN).files / "checkpoints").glob("step-*.pt")]
    return max((int(name[5:14]) for name in names), default=0)


def finish(home: Home, undisturbed: bytes, cluster: DevCluster, job: str) -> None:
    wait_until(lambda: home.run(RUN).state() in ("done", "failed"), 240, "the run does not end")
    assert home.run(RUN).state() == "done", home.run(RUN).failure()
    assert (home.run(RUN).files / WEIGHTS).read_bytes() == undisturbed
    assert ended(home, RUN)[-1] == "finished"
    wait_until(lambda: jobs.state(cluster, job) == "COMPLETED", 30, "the job does not complete")


def requeue(cluster: DevCluster, job: str) -> None:
    cluster.ask("scontrol", "requeue", job)


def cancel_step(cluster: DevCluster, job: str) -> None:
    cluster.ask("scancel", f"{job}.0")


def signal_of_the_site(cluster: DevCluster, job: str) -> None:
    cluster.ask("scancel", "--signal=USR2", job)


def kill_first_task(cluster: DevCluster, job: str) -> None:
    os.kill(task_pid(job, 0), signal.SIGKILL)


def kill_last_task(cluster: DevCluster, job: str) -> None:
    os.kill(task_pid(job, 1), signal.SIGKILL)


@pytest.mark.parametrize(
    ("num_tasks", "faults"),
    [
        (1, {cancel_step: {"unknown", "stopped by SIGTERM"}, kill_first_task: {"unknown"}}),
        (
            2,
            {
                requeue: {"unknown", "stopped by SIGTERM"},
                signal_of_the_site: {"stopped by SIGUSR2"},
                kill_last_task: {"unknown", "another rank is gone", "stopped by SIGTERM"},
            },
        ),
    ],
    ids=["one task", "two nodes"],
)
def test_a_run_goes_on_where_it_was_and_ends_in_the_same_bits(
    cluster: DevCluster,
    training: dict[str, Any],
    undisturbed: bytes,
    tmp_path: Path,
    num_tasks: int,
    faults: dict[Callable[[DevCluster, str], None], set[str]],
) -> None:
    home = Home(tmp_path)
    job = submit(home, {RUN: training}, num_tasks=num_tasks)[RUN]
    for number, (fault, how) in enumerate(faults.items(), start=1):
        found = num_saved(home)
        wait_until(lambda s=found: num_saved(home) > s, 120, f"nothing saved before {fault}")
        fault(cluster, job)
        wait_until(
            lambda n=number: len(home.run(RUN).attempts()) > n, 120, f"no attempt after {fault}"
        )
        made, following = home.run(RUN).attempts()[number - 1 :]
        assert any(made["ended"].startswith(words) for words in how), (fault, made["ended"])
        assert (made["job"], made["num_ranks"], made["num_nodes"]) == (job, num_tasks, num_tasks)
        assert following["found"], f"after {fault} the run started from nothing"
    finish(home, undisturbed, cluster, job)


def test_the_last_job_of_an_array_is_requeued_by_itself(
    cluster: DevCluster, training: dict[str, Any], undisturbed: bytes, tmp_path: Path
) -> None:
    home = Home(tmp_path)
    other = f"{RUN}-other"
    held = submit(home, {other: training, RUN: training})
    assert held[RUN].endswith("_1")
    wait_until(lambda: num_saved(home) > 0 and home.run(other).attempts(), 120, "nothing was saved")
    signal_of_the_site(cluster, held[RUN])
    finish(home, undisturbed, cluster, held[RUN])
    wait_until(lambda: home.run(other).state() == "done", 120, "the other one does not end")
    assert (len(home.run(RUN).attempts()), len(home.run(other).attempts())) == (2, 1)


def test_the_time_limit_is_no_end(
    cluster: DevCluster, training: dict[str, Any], tmp_path: Path
) -> None:
    home = Home(tmp_path)
    # Slurm looks at time limits twice a minute: this job is warned half a minute after its start.
    site = SITE.model_copy(update={"minutes": 1, "signal_seconds": 59})
    long = {**training, "resolved": {**training["resolved"], "epochs": 20 * EPOCHS}}
    job = submit(home, {RUN: long}, site=site)[RUN]
    wait_until(lambda: len(home.run(RUN).attempts()) > 1, 180, "the job was not requeued")
    assert ended(home, RUN)[0] == "stopped by SIGUSR2"
    assert jobs.state(cluster, job) in ("RUNNING", "COMPLETING")


def test_a_node_daemon_that_dies_and_comes_back_disturbs_nothing(
    cluster: DevCluster, training: dict[str, Any], undisturbed: bytes, tmp_path: Path
) -> None:
    home = Home(tmp_path)
    job = submit(home, {RUN: training}, num_tasks=2)[RUN]
    wait_until(lambda: num_saved(home) > 0, 120, "nothing was saved")
    node = cluster.nodes[1]
    cluster.kill_node(node)
    cluster.start_node(node)
    finish(home, undisturbed, cluster, job)


def test_a_cancelled_job_stays_cancelled_and_the_next_launch_goes_on(
    cluster: DevCluster, training: dict[str, Any], undisturbed: bytes, tmp_path: Path
) -> None:
    home = Home(tmp_path)
    job = submit(home, {RUN: training})[RUN]
    wait_until(lambda: num_saved(home) > 0, 120, "nothing was saved")
    cluster.ask("scancel", job)
    wait_until(lambda: jobs.state(cluster, job) == "CANCELLED", 30, "the job is not cancelled")
    wait_until(lambda: home.run(RUN).state() == "resume", 30, "the claim of a dead job holds")
    assert len(home.run(RUN).attempts()) == 1
    next_launch = Home(tmp_path)
    again = submit(next_launch, {RUN: training})[RUN]
    finish(next_launch, undisturbed, cluster, again)
    assert len(home.run(RUN).attempts()) == 2
