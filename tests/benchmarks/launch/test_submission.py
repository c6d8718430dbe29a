"""The command on a cluster whose scheduler is scripts: what it submits, claims and says."""

import subprocess
import sys

import pytest
from cluster_commands import checkout_status, jobs, launch, script_of
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
    held = jobs(prepared)
    assert len(held) == 14
    for run_id, job in held.items():
        for other in prepared.home.run(run_id).spec()["upstream"].values():  # type: ignore[index]
            number = fake_slurm.script(int(job.split("_")[0]))
            assert held[other] == job or f"afterok:{held[other]}\n" in number
    assert {prepared.home.run(i).state() for i in held} == {"queued"}


def test_a_second_launch_submits_nothing_that_is_under_way(
    prepared: Checkout, fake_slurm: FakeSlurm, capsys: pytest.CaptureFixture[str]
) -> None:
    assert launch(prepared) == 3
    first = jobs(prepared)
    assert launch(prepared) == 3
    assert "submitted 0 runs in 0 jobs" in capsys.readouterr().err
    assert jobs(prepared) == first
    assert fake_slurm.calls().count("sbatch") == 7


def test_what_another_launch_lacks_waits_for_its_jobs(
    prepared: Checkout, fake_slurm: FakeSlurm
) -> None:
    assert launch(prepared, "--seeds", "0") == 3
    held = jobs(prepared)
    gone = min(i for i in held if i.startswith("retrieval"))
    prepared.home.run(gone).release()
    assert launch(prepared, "--seeds", "0") == 3
    again = jobs(prepared)
    assert {i for i in again if again[i] != held[i]} == {gone}
    last = fake_slurm.script(len(list((fake_slurm.folder / "scripts").iterdir())))
    needs = {again[i] for i in prepared.home.run(gone).spec()["upstream"].values()}  # type: ignore[index]
    (line,) = [line for line in last.splitlines() if "dependency" in line]
    assert set(line.partition("afterok:")[2].split(":")) == needs


def test_a_claim_whose_job_is_gone_is_taken_over(prepared: Checkout, fake_slurm: FakeSlurm) -> None:
    assert launch(prepared) == 3
    first = jobs(prepared)
    lost = {i for i, job in first.items() if job.startswith("3_")}
    rest = [row for row in (fake_slurm.folder / "queue").read_text().split() if row[:2] != "3_"]
    fake_slurm.queue(*rest)
    assert launch(prepared) == 3
    second = jobs(prepared)
    assert {i for i in first if first[i] != second[i]} == lost


def test_nobody_starts_a_run_while_the_scheduler_does_not_answer(
    prepared: Checkout, fake_slurm: FakeSlurm, capsys: pytest.CaptureFixture[str]
) -> None:
    assert launch(prepared) == 3
    first = jobs(prepared)
    (fake_slurm.folder / "silent").touch()
    assert launch(prepared) == 2
    assert "error: squeue does not answer" in capsys.readouterr().err
    assert prepared.run("--yes", cluster="inline") == 2
    assert jobs(prepared) == first


def test_a_refusal_gives_back_what_was_not_submitted(
    prepared: Checkout, fake_slurm: FakeSlurm, capsys: pytest.CaptureFixture[str]
) -> None:
    (fake_slurm.folder / "refuse").write_text("too many jobs\n")
    assert launch(prepared) == 2
    assert capsys.readouterr().err.splitlines()[-1].endswith("too many jobs")
    assert jobs(prepared) == {}
    (fake_slurm.folder / "refuse").unlink()
    assert launch(prepared) == 3
    assert len(jobs(prepared)) == 14


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
    both = [
        subprocess.Popen([*command, host], cwd=ROOT, stderr=subprocess.PIPE, text=True)
        for host in ("one", "other")
    ]
    said = [process.communicate()[1] for process in both]
    assert [process.returncode for process in both] == [3, 3], said
    assert len(jobs(prepared)) == 14
    names = (fake_slurm.folder / "scripts").iterdir()
    arrays = sum(1 for path in names if "iicl-" in path.read_text())
    assert arrays == 7, said


def test_status_tells_state_job_and_cause(
    prepared: Checkout, fake_slurm: FakeSlurm, capsys: pytest.CaptureFixture[str]
) -> None:
    assert launch(prepared) == 3
    held = jobs(prepared)
    head = next(i for i, job in held.items() if job == "1_0")
    tail = next(i for i, job in held.items() if job == "1_1")
    prepared.home.run(head).begin_attempt({**PROVENANCE, "job": "1_0"})
    prepared.home.run(head).report(0.25, "step 5/20")
    prepared.home.run(head).log().write_text("first\nthe last line\n\n")
    prepared.home.run(tail).begin_attempt({**PROVENANCE, "job": "1_1"})
    prepared.home.run(tail).fail("RuntimeError: no luck")
    prepared.home.run(tail).release()
    rows = (fake_slurm.folder / "queue").read_text().split()
    needed = {i for i, job in held.items() if "afterok:1_1\n" in script_of(fake_slurm, job)}
    gone = {held[i] for i in needed} | {"1_1"}
    fake_slurm.queue(
        "1_0|RUNNING|None", *(row for row in rows if row.split("|")[0] not in {"1_0", *gone})
    )
    capsys.readouterr()
    assert checkout_status(prepared) == 0
    lines = {line.split()[0]: line.split() for line in capsys.readouterr().out.splitlines()}
    assert lines[head][1:5] == ["running", "1_0", "25", "%"]
    assert lines[head][5:] == ["the", "last", "line"]
    assert lines[tail][1:] == ["failed", "1_1", "RuntimeError:", "no", "luck"]
    for run_id in needed:
        assert lines[run_id][1:] == ["blocked", held[run_id], "after", tail]
    queued = [i for i in held if lines[i][1] == "queued"]
    assert queued
    assert all(lines[i][2:] == [held[i], "Dependency"] for i in queued)
