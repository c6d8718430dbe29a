"""Failures, dependencies and takeovers on a real queue, with stages that take no time."""

from pathlib import Path
from typing import Any

import jobs
import pytest
from jobs import SITE, ended, submit, wait_until

from benchmarks.store.home import Home
from slurm.devcluster.cluster import DevCluster

STAGES = """\
import os, signal
def listen(leave): pass
def interruption(problem): return None
def kernels(): return {}
def run(resolved, *, out, report, **_):
    if resolved["do"] == "fail": raise RuntimeError("no luck")
    if resolved["do"] == "die": os.kill(os.getpid(), signal.SIGKILL)
    if resolved["do"] == "wait": signal.pause()
    return {"metrics": {"top1": 0.5}}
"""


@pytest.fixture
def stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Keyword arguments of a submission whose stages are these; they reach the jobs by a variable.

    A job's path is the snapshot's, so that the module is put into the environment of the site.
    """
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "test_stages.py").write_text(STAGES)
    line = f'export PYTHONPATH="$PYTHONPATH:{tmp_path}/code"'
    return {"stages": "test_stages", "site": SITE.model_copy(update={"setup": (line,)})}


def run(do: str) -> dict[str, Any]:
    return {"resolved": {"do": do}, "corpora": {}}


def test_what_waits_for_a_failed_run_is_cancelled_and_nothing_else(
    cluster: DevCluster, stages: dict[str, Any], tmp_path: Path
) -> None:
    home = Home(tmp_path / "home")
    first = submit(home, {"bad": run("fail"), "good": run("succeed")}, **stages)
    lost = submit(home, {"lost": run("succeed")}, after=[first["bad"]], **stages)
    far = submit(home, {"far": run("succeed")}, after=[lost["lost"]], **stages)
    kept = {f"kept{i}": run("succeed") for i in range(3)}
    submit(home, kept, after=[first["good"]], **stages)
    wait_until(
        lambda: all(home.run(i).state() == "done" for i in kept), 120, "the others do not run"
    )
    assert home.run("bad").state() == "failed"
    assert home.run("bad").failure() == {"reason": "RuntimeError: no luck"}
    for run_id, job in {**lost, **far}.items():
        wait_until(lambda job=job: jobs.state(cluster, job) == "CANCELLED", 60, "not cancelled")
        wait_until(lambda run_id=run_id: home.run(run_id).state() == "new", 30, "still claimed")
        assert home.run(run_id).attempts() == []


def test_a_run_that_kills_its_process_is_given_up_after_some_attempts(
    cluster: DevCluster, stages: dict[str, Any], tmp_path: Path
) -> None:
    home = Home(tmp_path / "home")
    submit(home, {"deadly": run("die"), "other": run("succeed")}, together=True, **stages)
    wait_until(lambda: home.run("deadly").state() == "failed", 240, "it never ends")
    assert home.run("deadly").failure() == {
        "reason": "3 attempts in a row got no further; the last was killed"
    }
    assert ended(home, "deadly") == ["unknown", "unknown", f"failed: {home.run('deadly').reason()}"]
    wait_until(lambda: home.run("other").state() == "done", 60, "the others do not run")


def test_a_job_whose_launch_lost_the_run_does_nothing(
    cluster: DevCluster, stages: dict[str, Any], tmp_path: Path
) -> None:
    home = Home(tmp_path / "home")
    # The launcher dies after sbatch and before it has written down the job: another takes over.
    blocker = submit(home, {"blocker": run("wait")}, num_tasks=2, **stages)["blocker"]
    job = submit(home, {"run": run("succeed")}, **stages)["run"]
    home.run("run").release()
    other = Home(home.root)
    again = submit(other, {"run": run("wait")}, **stages)["run"]
    cluster.ask("scancel", blocker)
    wait_until(lambda: jobs.state(cluster, job) == "FAILED", 60, "does not end")
    wait_until(lambda: home.run("run").attempts(), 60, "does not begin")
    cluster.ask("scancel", again)
    (attempt,) = home.run("run").attempts()
    assert attempt["job"] == again
