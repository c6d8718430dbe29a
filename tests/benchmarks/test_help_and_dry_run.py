"""The help and the plan of the command: what they say, and what they do not import."""

import subprocess
import sys
from pathlib import Path

import pytest
from fake_checkout import ROOT, Checkout

from benchmarks.run import parser


def test_help_is_the_recorded_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    assert parser().format_help() == (Path(__file__).parent / "golden" / "help.txt").read_text()


def test_help_imports_neither_torch_nor_pydantic() -> None:
    code = (
        "import sys; sys.argv = ['run.py', '--help']; from benchmarks import run\n"
        "try: run.main()\n"
        "except SystemExit: print(sorted({'torch', 'pydantic', 'pandas'} & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.splitlines()[-1] == "[]"


def test_a_dry_run_imports_no_torch_and_writes_nothing(tmp_path: Path) -> None:
    code = (
        "import sys; sys.path.insert(0, 'tests/benchmarks'); import fake_stages\n"
        "from benchmarks import run\n"
        f"argv = ['--table', 'I', '--scale', 'paper', '--dry-run', '--home', '{tmp_path}/home']\n"
        "assert run.main(argv, stages=fake_stages) == 0\n"
        "print(sorted({'torch', 'pandas', 'matplotlib', 'scipy'} & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.splitlines()[-1] == "[]"
    assert "GPU hours to go" in result.stdout
    assert not (tmp_path / "home").exists()


def test_the_plan_of_all_tables_at_paper_scale_needs_no_torch(tmp_path: Path) -> None:
    code = (
        "import sys; from benchmarks import run\n"
        f"argv = ['--table', 'all', '--scale', 'paper', '--dry-run', '--home', '{tmp_path}/home']\n"
        "assert run.main(argv) == 0\n"
        "print(sorted({'torch', 'pandas', 'matplotlib', 'scipy', 'av'} & set(sys.modules)))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.splitlines()[-1] == "[]"


def test_rows_share_what_does_not_differ(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    assert checkout.run("--dry-run") == 0
    # 2 seeds x (1 shared initialisation + 2 rows x (co-training, features, retrieval))
    assert "14 runs; without sharing equal ones there would be 16" in capsys.readouterr().out
