"""What a dry run says of the jobs that a launch would submit."""

import shutil
from pathlib import Path

import pytest
from cluster_commands import launch
from fake_checkout import Checkout
from fake_slurm import FakeSlurm

from benchmarks import run


def test_a_dry_run_shows_every_script_and_submits_nothing(
    prepared: Checkout, fake_slurm: FakeSlurm, capsys: pytest.CaptureFixture[str]
) -> None:
    assert prepared.run("--dry-run", cluster="slurm") == 0
    output = capsys.readouterr().out
    assert output.count("#!/bin/bash") == 7
    assert "#SBATCH --dependency=afterok:ARRAY1_0\n" in output
    assert "ARRAY1: 2 jobs, 2 runs, 0.0" in output
    assert "sbatch" not in fake_slurm.calls()
    assert launch(prepared) == 3
    for number in range(1, 8):
        options = [
            line for line in fake_slurm.script(number).splitlines() if line.startswith("#SBATCH")
        ]
        options_without_jobs = [line for line in options if "afterok" not in line]
        assert all(line in output for line in options_without_jobs)


NO_GPUS = (
    "scale paper computes on GPUs, but site slurm asks for none; choose --cluster slurm-gpu, or set"
    " gpus_per_node in slurm/sites/slurm.yaml"
)


def at_paper_scale(home: Path, *options: str, cluster: str = "slurm") -> int:
    place = ["--cluster", cluster, "--home", str(home)]
    return run.main(["--table", "IV", "--scale", "paper", *place, *options])


def test_a_scale_of_gpus_is_not_submitted_without_any(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert at_paper_scale(tmp_path, "--yes") == 2
    assert capsys.readouterr().err == f"error: {NO_GPUS}\n"


def test_a_dry_run_without_gpus_and_data_shows_plan_and_scripts_below_a_remark(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert at_paper_scale(tmp_path, "--dry-run") == 0
    remark, _, without_gpus = capsys.readouterr().out.partition("\n\n")
    assert remark == f"remark: nothing can be submitted: {NO_GPUS}"
    assert at_paper_scale(tmp_path, "--dry-run", cluster="slurm-gpu") == 0
    with_gpus = capsys.readouterr().out
    for output in (without_gpus, with_gpus):
        assert output.startswith("plan, scale paper")
        assert "\nARRAY1: 15 jobs, 15 runs, " in output
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
    output = capsys.readouterr().out
    assert "blocked" in output
    # The retrievals of the other seeds and rows.
    assert "ARRAY1: 3 jobs, 3 runs, " in output
    assert "ARRAY2" not in output
