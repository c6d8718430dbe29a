"""The exit code tells how a command ended, with stages that cost nothing."""

import io
import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import fake_stages
import pytest
from fake_checkout import ROOT, Checkout

from benchmarks import run, stages


@pytest.mark.parametrize("shell", ["| head -n 1", "| cat", ">&-"])
def test_streams_that_are_closed_or_narrow_change_no_exit_code(tmp_path: Path, shell: str) -> None:
    command = f"{sys.executable} benchmarks/run.py --table I --scale smoke --home {tmp_path}"
    result = subprocess.run(
        ["bash", "-c", f"{command} --collect {shell}; echo rc ${{PIPESTATUS[0]}} >&2"],
        cwd=ROOT,
        env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUNBUFFERED": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stderr.splitlines()[-1] == "rc 3"
    assert "rror" not in result.stderr
    assert (tmp_path / "tables" / "smoke" / "table1.md").exists()


def test_nothing_runs_without_yes_and_without_a_terminal(
    checkout: Checkout, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for stdin in (io.StringIO("y\n"), None):
        monkeypatch.setattr("sys.stdin", stdin)
        assert checkout.run() == 3
        assert "nothing was run: there is no terminal" in capsys.readouterr().err
    assert checkout.home.run_ids() == []


def test_a_failed_run_shows_its_last_lines_and_is_tried_again(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    checkout.scale(execution="{fail: [features]}")
    assert checkout.run("--yes") == 4
    error = capsys.readouterr().err
    assert "RuntimeError: features cannot" in error
    assert "    RuntimeError: features cannot" in error  # the last line of its log
    states = {i.split("-")[0]: checkout.home.run(i).state() for i in checkout.home.run_ids()}
    assert states == {"pretrain": "done", "features": "failed", "retrieval": "new"}
    checkout.scale()  # execution is no part of a run's identity
    assert checkout.run("--yes") == 0


def test_a_killed_run_fails_alone(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    checkout.scale(execution="{kill: [retrieval]}")
    assert checkout.run("--yes", cluster="local") == 4
    error = capsys.readouterr().err
    assert "killed by SIGKILL" in error
    assert "    about to die" in error
    states = {i.split("-")[0]: checkout.home.run(i).state() for i in checkout.home.run_ids()}
    assert states == {"pretrain": "done", "features": "done", "retrieval": "failed"}


def test_a_metric_that_is_no_fraction_never_reaches_a_table(
    checkout: Checkout,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fake_stages, "_value", lambda *_: 50.0)
    assert checkout.run("--yes") == 4
    assert (
        "metrics.recall_at_1 is 50.0: Input should be less than or equal to 1"
        in capsys.readouterr().err
    )


def test_ctrl_c_leaves_runs_that_the_same_command_resumes(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(fake_stages, "run", interrupted)
        assert checkout.run("--yes") == 130
    states = [checkout.home.run(i).state() for i in checkout.home.run_ids()]
    assert sorted(states) == ["new"] * 13 + ["resume"]
    assert checkout.run("--yes") == 0


def test_incomplete_is_3_and_never_replaces_a_published_table(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["--table", "II", "--scale", "smoke", "--cluster", "inline", "--collect"]
    home = ["--home", str(checkout.home.root)]
    assert run.main([*argv, *home], stages=fake_stages, folder=checkout.folder) == 3
    assert not (checkout.folder / "tables" / "smoke").exists()
    table = (checkout.home.root / "tables" / "smoke" / "table2.md").read_text()
    assert "– (incomplete)" in table
    argv[-1] = "--yes"
    assert run.main([*argv, *home], stages=fake_stages, folder=checkout.folder) == 0
    assert (checkout.folder / "tables" / "smoke" / "table2.md").exists()
    seeds = ["--seeds", "0", "1", "2"]
    assert run.main([*argv, *home, *seeds], stages=fake_stages, folder=checkout.folder) == 0
    assert (checkout.home.root / "tables" / "smoke-seeds.0.1.2" / "table2.md").exists()


def test_a_reversed_claim_is_1(checkout: Checkout) -> None:
    table = checkout.folder / "tables" / "table2.yaml"
    table.write_text(
        table.read_text() + "inference: {level: 0.05, adjustment: holm}\n"
        "claims:\n- {says: B wins, where: IV, column: r1, best: b}\n"
    )
    assert checkout.run("--yes", "--seeds", *"01234") == 1
    assert "reversed" in (checkout.folder / "out" / "table2.md").read_text()


def test_a_killed_process_of_the_generator_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def die(*arguments: object, **options: object) -> None:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            pool.submit(os.abort).result()

    monkeypatch.setattr("iicl.data.synthetic.write.generate", die)
    with pytest.raises(OSError, match="a process that generated ucf101 was killed"):
        stages.prepare("ucf101", None, {}, {}, tmp_path / "out", 1, lambda done, total: None)


def test_a_crash_has_an_exit_code_of_its_own(
    checkout: Checkout, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(resolved: object) -> list[str]:
        raise RuntimeError("a fault of the suite")

    monkeypatch.setattr(fake_stages, "code_modules", broken)
    assert checkout.run("--collect") == 5
    last_line = capsys.readouterr().err.splitlines()[-1]
    assert last_line.startswith("crashed: RuntimeError: a fault of the suite")
