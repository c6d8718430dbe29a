import os

import pytest

from slurm import task

VARIABLES = {
    "SLURM_JOB_ID": "9",
    "SLURM_ARRAY_JOB_ID": "7",
    "SLURM_ARRAY_TASK_ID": "2",
    "SLURM_NTASKS": "4",
    "SLURM_PROCID": "3",
    "SLURM_LOCALID": "1",
    "SLURM_NODEID": "1",
    "SLURM_JOB_NUM_NODES": "2",
    "SLURM_JOB_NODELIST": "node[11-12]",
}
TORCH = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


@pytest.fixture
def slurm_task(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in TORCH:
        monkeypatch.delenv(name, raising=False)
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SUBMITIT_EXECUTOR", "slurm")
    return monkeypatch


def test_a_task_of_several_exports_what_torch_wants(slurm_task: pytest.MonkeyPatch) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "environ", os.environ.copy())
        us = task.enter()
        exported = {name: os.environ[name] for name in TORCH}
    assert (us.job, us.rank, us.num_tasks, us.num_nodes) == ("7_2", 3, 4, 2)
    assert 20_000 <= int(exported.pop("MASTER_PORT")) <= 60_000
    assert exported == {
        "RANK": "3",
        "WORLD_SIZE": "4",
        "LOCAL_RANK": "1",
        "LOCAL_WORLD_SIZE": "2",
        "MASTER_ADDR": "node11",
    }


def test_a_lone_task_exports_nothing(slurm_task: pytest.MonkeyPatch) -> None:
    for name in ("SLURM_NTASKS", "SLURM_JOB_NUM_NODES"):
        slurm_task.setenv(name, "1")
    slurm_task.setenv("SLURM_PROCID", "0")
    assert task.enter().num_tasks == 1
    assert not set(TORCH) & set(os.environ)


@pytest.mark.parametrize("name", task.NEEDED)
def test_a_half_set_environment_is_refused_by_name(
    name: str, slurm_task: pytest.MonkeyPatch
) -> None:
    slurm_task.delenv(name)
    with pytest.raises(ValueError, match=f"not a task of a Slurm job: {name} not set"):
        task.enter()


def test_torch_variables_of_somebody_else_are_refused(slurm_task: pytest.MonkeyPatch) -> None:
    slurm_task.setenv("RANK", "0")
    with pytest.raises(ValueError, match="RANK is already set"):
        task.enter()
