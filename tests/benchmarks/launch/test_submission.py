"""The command on a cluster whose scheduler is scripts: what it submits, claims and says."""

import subprocess
import sys

import pytest
from cluster_commands import ask_status, claimed_jobs, launch, script_of_job
from fake_checkout import ROOT, Checkout
from fake_slurm import FakeSlurm
from sample_records import PROVENANCE


def test_a_launch_submits_arrays_that_wait_for_each_other_and_returns(
    prepared: Checkout, fake_slurm: FakeSlurm, capsys: pytest.CaptureFixture[str]
) -> None:
    assert launch(prepared) == 3
    error = capsys.readouterr().err
    assert "submitted 14 runs in 10 jobs to slurm\n14 runs are queued or running\n" in error
    # 2 seeds: an initialisation each; of each two co-trainings; evaluations of each of these.
    assert fake_slurm.calls().count("sbatch") == 7
    assert len(fake_slurm.calls()) <= 7 + 4
    dependencies = [
        line
        for i in range(1, 8)
        for line in fake_slurm.script(i).splitlines()
        if "dependency" in line
    ]
    assert sorted(dependencies) == sorted(
        f"#SBATCH --dependency=afterok:{job}" for job in ("1_0", "1_1", "2_0", "2_1", "3_0", "3_1")
    )
    jobs = claimed_jobs(prepared)
    assert len(jobs) == 14
    for run_id, job in jobs.items():
        for upstream in prepared.home.run(run_id).spec()["upstream"].values():  # type: ignore[index]
            script = fake_slurm.script(int(job.split("_")[0]))
            assert jobs[upstream] == job or f"afterok:{jobs[upstream]}\n" in script
    assert {prepared.home.run(i).state() for i in jobs} == {"queued"}


def test_jobs_record_the_claims_of_their_submission(
    prepared: Checkout, fake_slurm: FakeSlurm
) -> None:
    kept = set((prepared.home.root / "claims").iterdir())
    table = prepared.folder / "tables" / "table2.yaml"
    claim = "{says: A is best, where: IV, column: r1, best: a}"
    inference = "inference: {level: 0.05, adjustment: holm}"
    table.write_text(f"{table.read_text()}{inference}\nclaims:\n  - {claim}\n")
    assert launch(prepared) == 3
    (path,) = set((prepared.home.root / "claims").iterdir()) - kept
    pickles = [p.read_bytes() for p in prepared.home.jobs.rglob("*.pkl")]
    assert pickles
    assert all(path.stem.encode() in pickled for pickled in pickles)


def test_a_second_launch_submits_nothing_that_is_under_way(
    prepared: Checkout, fake_slurm: FakeSlurm, capsys: pytest.CaptureFixture[str]
) -> None:
    assert launch(prepared) == 3
    first_jobs = claimed_jobs(prepared)
    assert launch(prepared) == 3
    assert "submitted 0 runs in 0 jobs" in capsys.readouterr().err
    assert claimed_jobs(prepared) == first_jobs
    assert fake_slurm.calls().count("sbatch") == 7


def test_what_another_launch_lacks_waits_for_its_jobs(
    prepared: Checkout, fake_slurm: FakeSlurm
) -> None:
    assert launch(prepared, "--seeds", "0") == 3
    first_jobs = claimed_jobs(prepared)
    released = min(i for i in first_jobs if i.startswith("retrieval"))
    prepared.home.run(released).release()
    assert launch(prepared, "--seeds", "0") == 3
    second_jobs = claimed_jobs(prepared)
    assert {i for i in second_jobs if second_jobs[i] != first_jobs[i]} == {released}
    last_script = fake_slurm.script(len(list((fake_slurm.folder / "scripts").iterdir())))
    needed_jobs = {second_jobs[i] for i in prepared.home.run(released).spec()["upstream"].values()}  # type: ignore[index]
    (line,) = [line for line in last_script.splitlines() if "dependency" in line]
    assert set(line.partition("afterok:")[2].split(":")) == needed_jobs


def test_a_claim_whose_job_is_gone_is_taken_over(prepared: Checkout, fake_slurm: FakeSlurm) -> None:
    assert launch(prepared) == 3
    first_jobs = claimed_jobs(prepared)
    lost_runs = {i for i, job in first_jobs.items() if job.startswith("3_")}
    queued_jobs = [
        row for row in (fake_slurm.folder / "queue").read_text().split() if row[:2] != "3_"
    ]
    fake_slurm.queue(*queued_jobs)
    assert launch(prepared) == 3
    second_jobs = claimed_jobs(prepared)
    assert {i for i in first_jobs if first_jobs[i] != second_jobs[i]} == lost_runs


def test_nobody_starts_a_run_while_the_scheduler_does_not_answer(
    prepared: Checkout, fake_slurm: FakeSlurm, capsys: pytest.CaptureFixture[str]
) -> None:
    assert launch(prepared) == 3
    first_jobs = claimed_jobs(prepared)
    (fake_slurm.folder / "silent").touch()
    assert launch(prepared) == 2
    assert "error: squeue does not answer" in capsys.readouterr().err
    assert prepared.run("--yes", cluster="inline") == 2
    assert claimed_jobs(prepared) == first_jobs


def test_a_refusal_gives_back_what_was_not_submitted(
    prepared: Checkout, fake_slurm: FakeSlurm, capsys: pytest.CaptureFixture[str]
) -> None:
    (fake_slurm.folder / "refuse").write_text("too many jobs\n")
    assert launch(prepared) == 2
    assert capsys.readouterr().err.splitlines()[-1].endswith("too many jobs")
    assert claimed_jobs(prepared) == {}
    (fake_slurm.folder / "refuse").unlink()
    assert launch(prepared) == 3
    assert len(claimed_jobs(prepared)) == 14


def test_two_launches_at_once_submit_everything_once(
    prepared: Checkout, fake_slurm: FakeSlurm
) -> None:
    # Two hosts, as far as the home can tell: their names differ, and they see no other's processes.
    code = (
        "import socket, sys; sys.path[:0] = ['tests/benchmarks']; import fake_stages\n"
        "from pathlib import Path; from benchmarks import run\n"
        "socket.gethostname = lambda: sys.argv[1]\n"
        "argv = ['--table', 'II', '--scale', 'smoke', '--cluster', 'slurm', '--yes', '--no-wait',"
        f" '--precision', 'bf16', '--home', {str(prepared.home.root)!r}]\n"
        f"sys.exit(run.main(argv, stages=fake_stages, folder=Path({str(prepared.folder)!r})))"
    )
    command = [sys.executable, "-c", code]
    processes = [
        subprocess.Popen([*command, host], cwd=ROOT, stderr=subprocess.PIPE, text=True)
        for host in ("one", "other")
    ]
    errors = [process.communicate()[1] for process in processes]
    assert [process.returncode for process in processes] == [3, 3], errors
    assert len(claimed_jobs(prepared)) == 14
    scripts = (fake_slurm.folder / "scripts").iterdir()
    arrays = sum(1 for path in scripts if "iicl-" in path.read_text())
    assert arrays == 7, errors


def test_status_tells_state_job_and_cause(
    prepared: Checkout, fake_slurm: FakeSlurm, capsys: pytest.CaptureFixture[str]
) -> None:
    assert launch(prepared) == 3
    jobs = claimed_jobs(prepared)
    first_run = next(i for i, job in jobs.items() if job == "1_0")
    failed_run = next(i for i, job in jobs.items() if job == "1_1")
    prepared.home.run(first_run).begin_attempt({**PROVENANCE, "job": "1_0"})
    prepared.home.run(first_run).report(0.25, "step 5/20")
    prepared.home.run(first_run).log().write_text("first\nthe last line\n\n")
    prepared.home.run(failed_run).begin_attempt({**PROVENANCE, "job": "1_1"})
    prepared.home.run(failed_run).fail("RuntimeError: no luck")
    prepared.home.run(failed_run).release()
    rows = (fake_slurm.folder / "queue").read_text().split()
    blocked_runs = {
        i for i, job in jobs.items() if "afterok:1_1\n" in script_of_job(fake_slurm, job)
    }
    ended_jobs = {jobs[i] for i in blocked_runs} | {"1_1"}
    fake_slurm.queue(
        "1_0|RUNNING|None", *(row for row in rows if row.split("|")[0] not in {"1_0", *ended_jobs})
    )
    capsys.readouterr()
    assert ask_status(prepared) == 0
    lines = {line.split()[0]: line.split() for line in capsys.readouterr().out.splitlines()}
    assert lines[first_run][1:5] == ["running", "1_0", "25", "%"]
    assert lines[first_run][5:] == ["the", "last", "line"]
    assert lines[failed_run][1:] == ["failed", "1_1", "RuntimeError:", "no", "luck"]
    for run_id in blocked_runs:
        assert lines[run_id][1:] == ["blocked", jobs[run_id], "after", failed_run]
    queued_runs = [i for i in jobs if lines[i][1] == "queued"]
    assert queued_runs
    assert all(lines[i][2:] == [jobs[i], "Dependency"] for i in queued_runs)
