"""What a job does in each of its tasks, from the files it finds to its exit code."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from damage import put
from fake_slurm import FakeSlurm
from sample_records import PROVENANCE, SPEC, preparation

from benchmarks.launch import job
from benchmarks.launch.job import JobPayload
from benchmarks.store.home import Home
from slurm.scheduler import AGAIN

ROOT = Path(__file__).parents[3]
CLAIMS = "0" * 64
STAGES = """\
import os, signal, time
from pathlib import Path
class Stop(Exception): pass
def listen(leave):
    signal.signal(signal.SIGUSR2, lambda *_: leave("SIGUSR2"))
    if "EARLY" in os.environ: os.kill(os.getpid(), signal.SIGUSR2)
def interruption(problem): return str(problem) if isinstance(problem, Stop) else None
def kernels(): return {}
def run(resolved, *, out, report, **_):
    print("rank", os.environ["SLURM_PROCID"], "does", resolved["do"])
    if resolved["do"] == "fail": raise RuntimeError("cannot")
    if resolved["do"] == "stop": raise Stop("stopped by SIGTERM")
    if resolved["do"] == "leave":
        try: os.kill(os.getpid(), signal.SIGUSR2)
        except BaseException as caught: print("caught", caught)
    if resolved["do"] == "die": os.kill(os.getpid(), signal.SIGKILL)
    if resolved["do"] == "progress":
        (out / f"step-{len(list(out.iterdir()))}").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return {"metrics": {"top1": 0.5}}
"""


@pytest.fixture
def home(tmp_path: Path, fake_slurm: FakeSlurm) -> Home:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "job_stages.py").write_text(STAGES)
    return Home(tmp_path / "home")


def work(home: Home, **runs: str) -> JobPayload:
    """A claimed job with runs that do what the values say."""
    for run_id in runs:
        assert home.claim(run_id, SPEC)
    home.hand_over(dict.fromkeys(runs, "7"))
    common: dict[str, Any] = {"stages": "job_stages", "home": home.root, "corpora": {}}
    common |= {"execution": {}, "claims": CLAIMS}
    calls = [
        {**common, "run_id": run_id, "resolved": {"do": do}, "upstream": {}}
        for run_id, do in runs.items()
    ]
    return JobPayload(
        "benchmarks.launch.attempt:run", calls, "job_stages", home.root, home.token, "", "s", 3
    )


def carry_out(home: Home, assigned: JobPayload, **variables: str) -> int:
    """The exit code of a task of the job, in a process of its own."""
    pickled = home.root / "work.json"
    plain = {**vars(assigned), "home": str(assigned.home)}
    pickled.write_text(json.dumps(plain, default=str))
    code = """
        import json, sys
        from pathlib import Path
        from benchmarks.launch import job
        plain = json.loads(Path(sys.argv[1]).read_text())
        for one in plain["runs"]: one["home"] = Path(one["home"])
        job.carry_out(job.JobPayload(**{**plain, "home": Path(plain["home"])}))
    """
    environment = {
        **os.environ,
        "PYTHONPATH": f"{ROOT}:{home.root.parent / 'code'}",
        "SUBMITIT_EXECUTOR": "slurm",
        **{"SLURM_JOB_ID": "7", "SLURM_NTASKS": "1", "SLURM_PROCID": "0", "SLURM_LOCALID": "0"},
        **{"SLURM_NODEID": "0", "SLURM_JOB_NUM_NODES": "1", "SLURM_JOB_NODELIST": "n1"},
        **variables,
    }
    command = [sys.executable, "-c", textwrap.dedent(code), str(pickled)]
    return subprocess.run(command, env=environment, cwd=home.root).returncode


def ended(home: Home, run_id: str) -> list[str]:
    return [attempt["ended"] for attempt in home.run(run_id).attempts()]


def test_runs_are_done_in_turn_and_given_back(home: Home) -> None:
    assigned = work(home, a="succeed", b="succeed")
    assert carry_out(home, assigned) == job.DONE
    assert [home.run(i).state() for i in "ab"] == ["done", "done"]
    assert [home.run(i).lease() for i in "ab"] == [None, None]
    assert home.run("b").log().read_text() == "rank 0 does succeed\n"
    (attempt,) = home.run("a").attempts()
    assert (attempt["site"], attempt["job"], attempt["num_ranks"]) == ("s", "7", 1)
    assert attempt["claims"] == CLAIMS
    assert carry_out(home, assigned) == job.DONE  # requeued after its last run
    assert ended(home, "a") == ["finished"]


def test_one_that_fails_is_recorded_and_the_others_are_done(home: Home) -> None:
    assigned = work(home, a="fail", b="succeed")
    assert carry_out(home, assigned) == job.FAILED
    assert [home.run(i).state() for i in "ab"] == ["failed", "done"]
    assert home.run("a").failure() == {"reason": "RuntimeError: cannot"}
    assert "RuntimeError: cannot" in home.run("a").log().read_text()
    assert carry_out(home, assigned) == job.FAILED
    assert ended(home, "a") == ["failed: RuntimeError: cannot"]  # and not tried again


def test_a_run_whose_predecessor_failed_in_the_same_job_is_not_tried(home: Home) -> None:
    assigned = work(home, a="fail", b="succeed", c="succeed")
    assigned.runs[1]["upstream"]["features"] = "a"  # type: ignore[index]
    assert carry_out(home, assigned) == job.FAILED
    assert [home.run(i).state() for i in "abc"] == ["failed", "new", "done"]
    assert home.run("b").lease() is None


@pytest.mark.parametrize(("do", "name"), [("stop", "SIGTERM"), ("leave", "SIGUSR2")])
def test_a_run_that_is_told_to_stop_asks_for_another_attempt(
    home: Home, do: str, name: str
) -> None:
    assigned = work(home, a="succeed", b=do, c="succeed")
    assert carry_out(home, assigned) == AGAIN
    assert ended(home, "b") == [f"stopped by {name}"]
    assert home.run("b").log().read_text() == f"rank 0 does {do}\ninterrupted: stopped by {name}\n"
    assert home.run("c").attempts() == []
    assert home.run("b").lease() is not None  # still this job's


def test_a_signal_between_attempts_says_nothing_of_the_one_before(home: Home) -> None:
    assigned = work(home, a="die")
    assert carry_out(home, assigned) == -signal.SIGKILL
    assert carry_out(home, assigned, EARLY="1") == AGAIN
    assert ended(home, "a") == ["unknown"]


@pytest.mark.parametrize(("do", "how"), [("die", "killed"), ("stop", "stopped by SIGTERM")])
def test_attempts_that_get_no_further_come_to_an_end(home: Home, do: str, how: str) -> None:
    assigned = work(home, a=do)
    codes = [carry_out(home, assigned) for _ in range(4)]
    assert codes == [-signal.SIGKILL if do == "die" else AGAIN] * 3 + [job.FAILED]
    assert home.run("a").failure() == {
        "reason": f"3 attempts in a row got no further; the last was {how}"
    }
    assert home.run("a").lease() is None


def test_attempts_that_get_further_may_go_on(home: Home) -> None:
    assigned = work(home, a="progress")
    assert [carry_out(home, assigned) for _ in range(6)] == [-signal.SIGKILL] * 6
    assert home.run("a").failure() is None


def test_shards_that_a_preparation_has_made_are_progress(home: Home, tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    assert home.claim("prepare-x", preparation(corpus))
    for number in range(4):
        (corpus / f"{number % 3}.shard").touch()
        home.run("prepare-x").begin_attempt({**PROVENANCE, "launch": home.token})
    assert home.run("prepare-x").attempts()[0]["found"] == ["1 files"]
    assert home.run("prepare-x").num_in_vain(home.token) == 2
    assert home.run("prepare-x").num_in_vain("another launch") == 0
    (corpus / "another.shard").touch()
    assert home.run("prepare-x").num_in_vain(home.token) == 0


def test_a_run_that_another_launch_took_over_is_left_alone(home: Home) -> None:
    assigned = work(home, a="succeed")
    home.run("a").release()
    assert carry_out(home, assigned) == job.FAILED  # what waits for this job has nothing to read
    assert home.claim("a", SPEC)
    assert carry_out(home, replace(assigned, launch="of another launch")) == job.FAILED
    assert home.run("a").attempts() == []
    assert not home.run("a").log().exists()


def test_only_the_first_task_records_but_a_failure_of_any_counts(home: Home) -> None:
    ranks = {"SLURM_NTASKS": "2", "SLURM_PROCID": "1"}
    assert carry_out(home, work(home, a="succeed"), **ranks) == job.DONE
    assert home.run("a").attempts() == []
    assert home.run("a").log(1).read_text() == "rank 1 does succeed\n"
    assert carry_out(home, work(home, b="fail"), **ranks) == job.FAILED
    assert home.run("b").failure() == {"reason": "rank 1: RuntimeError: cannot"}


@pytest.mark.parametrize("kind", ["cut", "fifo", "folder"])
def test_a_run_with_a_damaged_record_is_not_tried_and_the_others_are(home: Home, kind: str) -> None:
    assigned = work(home, a="succeed", b="succeed", c="succeed")
    put(kind, home.runs / "a" / "spec.json")
    (home.runs / "b" / "result.json").write_text("{}")
    assert carry_out(home, assigned) == job.FAILED
    assert [home.run(i).state() for i in "abc"] == ["damaged", "damaged", "done"]
    assert [home.run(i).lease() for i in "abc"] == [None, None, None]
    assert home.run("a").attempts() == home.run("b").attempts() == []


def test_a_run_that_needs_a_damaged_one_is_not_tried(home: Home) -> None:
    assert carry_out(home, work(home, a="succeed")) == job.DONE
    (home.runs / "a" / "result.json").write_text("{}")
    assigned = work(home, b="succeed")
    assigned.runs[0]["upstream"]["features"] = "a"  # type: ignore[index]
    assert carry_out(home, assigned) == job.FAILED
    assert home.run("b").state() == "new"
    assert home.run("b").lease() is None


def test_damaged_attempts_of_a_job_are_moved_aside(home: Home) -> None:
    assigned = work(home, a="succeed")
    (home.runs / "a" / "attempts.json").write_text("[7]")
    assert carry_out(home, assigned) == job.DONE
    assert (home.runs / "a" / ".aside" / "attempts.json.0").read_text() == "[7]"
    assert ended(home, "a") == ["finished"]
