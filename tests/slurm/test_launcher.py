import os
from pathlib import Path
from typing import Any

import pytest

from slurm import launcher
from slurm.launcher import Job, JobEvent
from slurm.site import ProcessSite

SITES = [
    ProcessSite(name="inline", backend="inline", processes=1),
    ProcessSite(name="local", backend="local", processes=2),
]


def job(folder: Path, name: str, function: str, *after: str, **kwargs: Any) -> Job:
    return Job(name, f"launch_targets:{function}", kwargs, after, folder / f"{name}.txt")


@pytest.mark.parametrize("site", SITES, ids=lambda s: s.name)
def test_a_job_starts_after_its_predecessors_and_prints_to_its_log(
    site: ProcessSite, tmp_path: Path
) -> None:
    path = tmp_path / "out"
    jobs = [
        job(tmp_path, "a", "write", path=path, text="first"),
        job(tmp_path, "b", "write", "a", path=path, text="second"),
        job(tmp_path, "c", "write", "b", path=path, text="third"),
    ]
    outcome = launcher.launch(jobs, site)
    assert outcome == dict.fromkeys("abc", "finished")
    assert path.read_text().split() == ["first", "second", "third"]
    assert (tmp_path / "b.txt").read_text() == "writing second\n"


@pytest.mark.parametrize("site", SITES, ids=lambda s: s.name)
def test_a_failed_job_blocks_what_follows_and_nothing_else(
    site: ProcessSite, tmp_path: Path
) -> None:
    events: list[JobEvent] = []
    jobs = [
        job(tmp_path, "bad", "fail"),
        job(tmp_path, "child", "write", "bad", path=tmp_path / "out", text="child"),
        job(tmp_path, "grandchild", "write", "child", path=tmp_path / "out", text="grandchild"),
        job(tmp_path, "other", "write", path=tmp_path / "out", text="other"),
    ]
    outcome = launcher.launch(jobs, site, on_event=events.append)
    assert outcome == {
        "bad": "failed",
        "child": "blocked",
        "grandchild": "blocked",
        "other": "finished",
    }
    assert (tmp_path / "out").read_text() == "other\n"
    log = (tmp_path / "bad.txt").read_text()
    assert "before the end" in log
    assert "RuntimeError: no such luck" in log
    assert {e.job.id: e.message for e in events if e.kind == "blocked"} == {
        "child": "after bad",
        "grandchild": "after child",
    }


def test_a_killed_job_fails_alone(tmp_path: Path) -> None:
    events: list[JobEvent] = []
    jobs = [
        job(tmp_path, "killed", "die"),
        job(tmp_path, "other", "write", path=tmp_path / "out", text="other"),
    ]
    outcome = launcher.launch(jobs, SITES[1], on_event=events.append)
    assert outcome == {"killed": "failed", "other": "finished"}
    (failed,) = [e for e in events if e.kind == "failed"]
    assert failed.message == "killed by SIGKILL"
    assert launcher.last_lines(failed.job.log) == "last words"


def test_ctrl_c_ends_running_jobs(tmp_path: Path) -> None:
    path = tmp_path / "pid"

    def interrupt() -> None:
        if path.exists() and path.read_text():
            raise KeyboardInterrupt

    jobs = [job(tmp_path, "endless", "wait_for_ever", path=path)]
    with pytest.raises(KeyboardInterrupt):
        launcher.launch(jobs, SITES[1], tick=interrupt)
    with pytest.raises(ProcessLookupError):
        os.kill(int(path.read_text()), 0)


@pytest.mark.parametrize("plain", SITES, ids=lambda s: s.name)
def test_the_environment_reaches_the_job_and_leaves_the_caller(
    plain: ProcessSite, tmp_path: Path
) -> None:
    site = plain.model_copy(update={"environment": {"IICL_TEST_VARIABLE": "yes"}})
    path = tmp_path / "out"
    entry = Job("a", "os:system", {"command": f"echo $IICL_TEST_VARIABLE > {path}"}, (), path)
    launcher.launch([entry], site)
    assert path.read_text().strip() == "yes"
    assert "IICL_TEST_VARIABLE" not in os.environ


def test_jobs_that_repeat_or_precede_their_predecessors_are_refused(tmp_path: Path) -> None:
    one = job(tmp_path, "a", "fail")
    with pytest.raises(ValueError, match="'a' repeats"):
        launcher.launch([one, one], SITES[0])
    with pytest.raises(ValueError, match="'b' repeats, or precedes"):
        launcher.launch([job(tmp_path, "b", "fail", "a"), one], SITES[0])


def test_where_a_fork_is_unsafe_processes_start_from_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert launcher._context([]).get_start_method() == "forkserver"
    monkeypatch.setattr("sys.platform", "darwin")
    assert launcher._context([]).get_start_method() == "spawn"
    path = tmp_path / "out"
    jobs = [
        job(tmp_path, "a", "write", path=path, text="first"),
        job(tmp_path, "bad", "fail", "a"),
    ]
    outcome = launcher.launch(jobs, SITES[1])
    assert outcome == {"a": "finished", "bad": "failed"}
    assert path.read_text().split() == ["first"]
