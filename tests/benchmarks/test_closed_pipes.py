"""Commands whose reader goes away end as they would have, without a word about it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from fake_checkout import ROOT

FROM_NO_SHELL = {"worker.py"}  # the guard of the throughput starts it and reads all it says
MAINS = sorted(
    p
    for p in (ROOT / "benchmarks").rglob("*.py")
    if "__main__" in p.read_text() and p.name not in FROM_NO_SHELL
)
PROGRAMS = [
    ("benchmarks/run.py --help", 0),
    ("benchmarks/run.py --table I --scale smoke --dry-run --home {folder}", 0),
    ("benchmarks/run.py --table I --scale smoke --status --home {folder}", 0),
    ("benchmarks/run.py --table I --scale smoke --collect --home {folder}", 3),
    ("benchmarks/run.py --table IX --home {folder}", 2),
    ("benchmarks/report.py --results {folder} --out {folder}/page.html", 0),
    ("benchmarks/capacity.py", 0),
    ("benchmarks/throughput/launch_overhead.py --help", 0),
    ("-c 'from iicl.cli import main; raise SystemExit(main())' interpretations", 0),
    ("-c 'from iicl.cli import main; raise SystemExit(main())' --help", 0),
    ("-c 'from iicl.cli import main; raise SystemExit(main())' prepare x /no/such {folder}", 2),
]


def with_closed_pipe(command: str, streams: str) -> tuple[int, str]:
    """The exit code, and what was printed to the stream whose reader has not gone away."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            ["bash", "-c", f"{sys.executable} {command}"],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=writing,
            stderr=writing if streams == "both" else subprocess.PIPE,
            text=True,
            check=False,
        )
    finally:
        os.close(writing)
    return done.returncode, done.stderr or ""


@pytest.mark.parametrize(("program", "code"), PROGRAMS, ids=lambda value: str(value)[:60])
def test_a_closed_pipe_changes_no_exit_code(tmp_path: Path, program: str, code: int) -> None:
    for name in ("esc10.json", "esc10.png", "audioset.png"):
        shutil.copy(ROOT / "tables" / "desk" / name, tmp_path)
    command = program.format(folder=tmp_path)
    ended, words = with_closed_pipe(command, "stdout")
    assert ended == code
    assert "Traceback" not in words
    assert "roken pipe" not in words
    assert "BrokenPipe" not in words


@pytest.mark.parametrize(("program", "code"), [PROGRAMS[3], PROGRAMS[4], PROGRAMS[-1]])
def test_nor_do_two_of_them(tmp_path: Path, program: str, code: int) -> None:
    assert with_closed_pipe(program.format(folder=tmp_path), "both")[0] == code


@pytest.mark.parametrize("path", MAINS, ids=lambda path: path.name)
def test_every_program_is_prepared_for_it(path: Path) -> None:
    program = path.read_text().rpartition('if __name__ == "__main__":\n')[2]
    assert "survive_closed_pipes()\n    " in program
