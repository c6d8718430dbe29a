"""The command on a cluster whose scheduler is scripts: what it submits, claims and says."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from damage import ODD, TEXTS, everything, fingerprint, put
from fake_checkout import ROOT, Checkout
from fake_slurm import FakeSlurm
from sample_records import PROVENANCE

from benchmarks import run
from benchmarks.launch import snapshot
from benchmarks.plan import identity
from benchmarks.store import provenance
from benchmarks.store.home import Home


def launch(checkout: Checkout, *arguments: str) -> int:
    return checkout.run("--yes", "--no-wait", *arguments, cluster="slurm")


@pytest.fixture
def prepared(checkout: Checkout) -> Checkout:
    """A checkout whose corpora are prepared, by runs of a seed that no test asks for."""
    assert checkout.run("--yes", "--seeds", "99") == 0
    return checkout


def of_seeds(checkout: Checkout) -> list[str]:
    return [i for i in checkout.home.run_ids() if "-s99-" not in i]


def jobs(checkout: Checkout) -> dict[str, str]:
    claims = {i: checkout.home.run(i).lease() for i in of_seeds(checkout)}
    return {i: claim.job for i, claim in claims.items() if claim is not None}


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


def script_of(fake_slurm: FakeSlurm, job: str) -> str:
    return fake_slurm.script(int(job.split("_")[0]))


def checkout_status(checkout: Checkout) -> int:
    return checkout.run("--status", cluster="slurm")


def test_a_dry_run_shows_every_script_and_submits_nothing(
    prepared: Checkout, fake_slurm: FakeSlurm, capsys: pytest.CaptureFixture[str]
) -> None:
    assert prepared.run("--dry-run", cluster="slurm") == 0
    shown = capsys.readouterr().out
    assert shown.count("#!/bin/bash") == 7
    assert "#SBATCH --dependency=afterok:ARRAY1_0\n" in shown
    assert "ARRAY1: 2 jobs, 2 runs, 0.0" in shown
    assert "sbatch" not in fake_slurm.calls()
    assert launch(prepared) == 3
    for number in range(1, 8):
        submitted = [w for w in fake_slurm.script(number).splitlines() if w.startswith("#SBATCH")]
        plain = [w for w in submitted if "afterok" not in w]
        assert all(line in shown for line in plain)


LACK = (
    "scale paper computes on GPUs, but site slurm asks for none; choose --cluster slurm-gpu, or set"
    " gpus_per_node in slurm/sites/slurm.yaml"
)


def at_paper_scale(home: Path, *words: str, cluster: str = "slurm") -> int:
    place = ["--cluster", cluster, "--home", str(home)]
    return run.main(["--table", "IV", "--scale", "paper", *place, *words])


def test_a_scale_of_gpus_is_not_submitted_without_any(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert at_paper_scale(tmp_path, "--yes") == 2
    assert capsys.readouterr().err == f"error: {LACK}\n"


def test_a_dry_run_without_gpus_and_data_shows_plan_and_scripts_below_a_remark(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert at_paper_scale(tmp_path, "--dry-run") == 0
    remark, _, without_gpus = capsys.readouterr().out.partition("\n\n")
    assert remark == f"remark: nothing can be submitted: {LACK}"
    assert at_paper_scale(tmp_path, "--dry-run", cluster="slurm-gpu") == 0
    with_gpus = capsys.readouterr().out
    for shown in (without_gpus, with_gpus):
        assert shown.startswith("plan, scale paper")
        assert "\nARRAY1: 6 jobs, 6 runs, " in shown
    assert "--gpus-per-node" not in without_gpus
    assert "#SBATCH --gpus-per-node=1\n" in with_gpus


def test_a_preview_leaves_out_what_is_made_from_a_damaged_run(
    prepared: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    assert prepared.run("--yes", cluster="inline") == 0
    (first, *_) = [i for i in prepared.home.run_ids() if i.startswith("features")]
    (prepared.home.runs / first / "result.json").write_text("{")
    for run_id in prepared.home.run_ids():
        if run_id.startswith("retrieval"):
            shutil.rmtree(prepared.home.runs / run_id)
    capsys.readouterr()
    assert prepared.run("--dry-run", cluster="slurm") == 0
    shown = capsys.readouterr().out
    assert "blocked" in shown
    assert "ARRAY1: 3 jobs, 3 runs, " in shown  # the retrievals of the other seeds and rows
    assert "ARRAY2" not in shown


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--no-wait", "--cluster", "local"], "--no-wait: site local is no cluster"),
        (["--no-wait", "--status", "--cluster", "slurm"], "--no-wait does nothing with --status"),
        (["--force", "all", "--collect"], "--force runs something, and --collect does not"),
        (["--force", "all", "--status"], "--force runs something, and --status does not"),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run.main(["--table", "II", "--home", str(tmp_path), *words]) == 2
    assert capsys.readouterr().err == f"error: {message}\n"


def test_precision_is_that_of_the_gpus_and_not_of_the_launching_host() -> None:
    assert provenance.precision("auto", on_gpu=True) == "bf16"
    assert provenance.precision("float32", on_gpu=True) == "float32"
    with pytest.raises(ValueError, match="unknown precision 'half'; known: auto, bf16, float32"):
        provenance.precision("half", on_gpu=True)


def test_an_edit_after_submission_changes_nothing_that_is_queued(tmp_path: Path) -> None:
    code = tmp_path / "code"
    (code / "iicl").mkdir(parents=True)
    (code / "iicl" / "losses.py").write_text("LOSS = 1\n")
    taken = snapshot.take(code, tmp_path / "home")
    assert snapshot.take(code, tmp_path / "home") == taken
    (code / "iicl" / "losses.py").write_text("LOSS = 2\n")
    assert snapshot.take(code, tmp_path / "home") != taken
    assert (taken / "iicl" / "losses.py").read_text() == "LOSS = 1\n"
    assert (taken / "COMMIT").read_text().strip()


@pytest.mark.parametrize("kind", [*TEXTS, *(kind for kind in ODD if kind != "unreadable")])
@pytest.mark.parametrize("name", ["COMMIT", "iicl/losses.py"])
def test_a_damaged_copy_of_the_code_is_moved_aside(tmp_path: Path, name: str, kind: str) -> None:
    (tmp_path / "code" / "iicl").mkdir(parents=True)
    (tmp_path / "code" / "iicl" / "losses.py").write_text('{"a": "b"}')
    taken = snapshot.take(tmp_path / "code", tmp_path / "home")
    sound = (taken / name).read_bytes()
    if kind == "huge" and name != "COMMIT":
        pytest.skip("the files of the code are read whole")
    if kind == "wrong-types" and name == "COMMIT":
        (taken / name).write_text("{}")
    put(kind, taken / name)
    there = fingerprint(taken / name)
    assert snapshot.take(tmp_path / "code", tmp_path / "home") == taken
    assert (taken / name).read_bytes() == sound
    assert there in everything(taken.parent / ".aside")


@pytest.mark.parametrize("kind", [*TEXTS, *(kind for kind in ODD if kind != "unreadable")])
def test_code_that_does_not_say_its_commit_runs_nothing(tmp_path: Path, kind: str) -> None:
    (tmp_path / "COMMIT").write_text("0123456789+\n")
    assert provenance.commit(tmp_path) == "0123456789+"
    provenance.commit.cache_clear()
    if kind == "wrong-types":
        (tmp_path / "COMMIT").write_text("{}")
    put(kind, tmp_path / "COMMIT")
    with pytest.raises(ValueError, match="COMMIT is damaged: "):
        provenance.commit(tmp_path)


@pytest.mark.parametrize("kind", [*TEXTS, *(kind for kind in ODD if kind != "unreadable")])
@pytest.mark.parametrize(
    "name", ["spec.json", "result.json", "claim.json", "attempts.json", "progress.json"]
)
def test_a_damaged_preparation_is_made_again(
    checkout: Checkout,
    fake_slurm: FakeSlurm,
    capsys: pytest.CaptureFixture[str],
    name: str,
    kind: str,
) -> None:
    assert launch(checkout) == 3
    fake_slurm.queue()  # the jobs are gone
    home = Home(checkout.home.root).preparations()
    run_id = home.run_ids()[0]
    path = home.runs / run_id / name
    if not path.exists() and kind in ("wrong-types", "cut", "byte-order-mark"):
        path.write_text('[{"commit": "x"}]' if name == "attempts.json" else '{"run": "other"}')
    put(kind, path)
    there, hour_ago = fingerprint(path), time.time() - 3600
    os.utime(path.parent, (hour_ago, hour_ago))
    capsys.readouterr()
    assert checkout_status(checkout) == 0
    assert launch(checkout) == 3
    words = capsys.readouterr().err
    assert any(run_id in li and name in li and "damaged" in li for li in words.splitlines())
    assert there in everything(home.root)
    assert home.run(run_id).state() == "queued"


def test_code_that_changes_between_plan_and_submission_is_not_submitted(
    prepared: Checkout,
    fake_slurm: FakeSlurm,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    real = snapshot.take

    def edited(code: Path, home: Path) -> Path:
        file = code / "iicl" / "config.py"
        file.write_text(file.read_text() + "\nANOTHER = 1\n")
        return real(code, home)

    monkeypatch.setattr(snapshot, "take", edited)
    assert launch(prepared) == 2
    assert "the code changed while this was planned" in capsys.readouterr().err
    assert "sbatch" not in fake_slurm.calls()
    identity.clear()


def test_corpora_are_prepared_by_jobs_first(
    checkout: Checkout, fake_slurm: FakeSlurm, capsys: pytest.CaptureFixture[str]
) -> None:
    assert launch(checkout) == 3
    assert "preparing: 2 jobs" in capsys.readouterr().err
    home = checkout.home.preparations()
    assert len(home.run_ids()) == 2
    assert {home.run(i).state() for i in home.run_ids()} == {"queued"}
    assert fake_slurm.calls().count("sbatch") == 2
    assert checkout.home.run_ids() == []
    filled = {Path(home.run(i).any_spec()["fills"]).parent for i in home.run_ids()}  # type: ignore
    assert filled == {checkout.home.corpora}  # where what an attempt got done is looked for
    assert launch(checkout) == 3  # they are under way
    assert fake_slurm.calls().count("sbatch") == 2
    assert checkout_status(checkout) == 0
    assert capsys.readouterr().out.count("prepare-") == 2


def test_a_real_copy_is_prepared_by_an_array_over_its_shards(
    checkout: Checkout,
    fake_slurm: FakeSlurm,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:

    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "one.mp4").touch()
    data = ("--data", f"ucf101={tmp_path / 'clips'}", "--data", f"audioset={tmp_path / 'clips'}")
    assert launch(checkout, *data) == 3
    home = checkout.home.preparations()
    assert len(home.run_ids()) == 2 * (5 + 1)
    scripts = [fake_slurm.script(i) for i in range(1, 5)]
    assert ["--array=0-4%5" in text for text in scripts] == [True, False, True, False]
    assert ["afterok:" in text for text in scripts] == [False, True, False, True]
    waits = scripts[1].partition("afterok:")[2].splitlines()[0]
    assert waits == ":".join(f"1_{i}" for i in range(5))
    held = {run_id: home.run(run_id).lease() for run_id in home.run_ids()}
    parts = sorted(c.job for i, c in held.items() if "of0005" in i and c is not None)
    assert parts == [f"{array}_{i}" for array in (1, 3) for i in range(5)]
