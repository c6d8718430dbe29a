"""The guard on a small repository whose cases cost next to nothing."""

import dataclasses
import json
import os
import signal
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from benchmarks.throughput import baseline, cases, guard, judge, worktree

FILE = """\
from dataclasses import dataclass
from typing import Any, NamedTuple

class Place(NamedTuple):
    folder: Any
    device: str

@dataclass(frozen=True)
class Case:
    work: str
    setup: Any

def counting(number):
    return lambda place: lambda: sum(range(number))

def failing(place):
    raise KeyError("no luck")

CASES = {{
    "steady": Case("counts", counting(20000)),
    "slowed": Case("counts", counting({number})),
    "changed": Case("{work}", counting(10)),
    "broken": Case("counts", {broken}),
    "ending": Case("counts", lambda place: {ending}),
}}
"""
WORK = {name: "counts" for name in ("steady", "slowed", "changed", "broken", "ending")}
BEFORE = {"number": 20000, "work": "other", "broken": "failing", "ending": "counting(10)(place)"}
NOW = {
    "number": 400000,
    "work": "counts",
    "broken": "failing",
    "ending": "__import__('os')._exit(3)",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository whose first commit holds the cases ``BEFORE``."""
    folder = tmp_path / "repository"
    (folder / "benchmarks" / "throughput").mkdir(parents=True)
    worktree.git(tmp_path, "init", "--quiet", str(folder))
    worktree.git(folder, "config", "user.email", "nobody@example.org")
    worktree.git(folder, "config", "user.name", "Nobody")
    write(folder, BEFORE)
    commit(folder, "first")
    return folder


def write(root: Path, values: Mapping[str, object]) -> None:
    (root / "benchmarks" / "throughput" / "cases.py").write_text(FILE.format(**values))


def commit(root: Path, message: str) -> str:
    worktree.git(root, "add", "--all")
    worktree.git(root, "commit", "--quiet", "--message", message)
    return worktree.full_hash(root, "HEAD")


def worktrees(root: Path) -> int:
    return len(worktree.git(root, "worktree", "list").splitlines())


def test_every_part_gets_its_verdict(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def setup(place: cases.Place) -> cases.Body:
        raise AssertionError

    known = {name: cases.Case(work, setup) for name, work in {**WORK, "added": "counts"}.items()}
    monkeypatch.setattr(cases, "CASES", known)
    write(root, NOW)
    with guard.two_sides(root, worktree.full_hash(root, "HEAD")) as sides:
        outcomes = {o.part: o for o in guard.compare(sides, list(known), num_pairs=2)}
    assert list(outcomes) == list(known)
    assert outcomes["slowed"].verdict == "slower"
    assert len(outcomes["slowed"].rounds) == 2  # suspected, and timed again
    assert len(outcomes["steady"].rounds) == 1
    assert [outcomes[part].verdict for part in ("changed", "added")] == ["new", "new"]
    assert outcomes["broken"].why == "before: KeyError: 'no luck'"
    assert outcomes["ending"].why.startswith("now: the process ended")
    assert guard.exit_code(list(outcomes.values())) == guard.FAILED
    slowed = dataclasses.replace(outcomes["slowed"], rounds=(judge.Ratio(20, 19, 21),) * 2)
    assert "20.000 [19.000, 21.000], again 20.000 [19.000, 21.000]" in guard.table([slowed])


def test_exit_codes() -> None:
    outcomes = [guard.Outcome("a", verdict, 1.05) for verdict in ("same", "new", "faster")]
    assert guard.exit_code(outcomes) == guard.FINE
    assert guard.exit_code([*outcomes, guard.Outcome("b", "slower", 1.05)]) == guard.SLOWER


def interrupt() -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    "end", [interrupt, lambda: os.kill(os.getpid(), signal.SIGTERM)], ids=["Ctrl-C", "SIGTERM"]
)
def test_a_checkout_is_gone_however_the_block_ends(root: Path, end: Callable[[], None]) -> None:
    before = signal.getsignal(signal.SIGTERM)
    trees = []

    def work() -> None:
        with worktree.checked_out(root, "HEAD") as tree:
            assert (tree / "benchmarks" / "throughput" / "cases.py").is_file()
            assert worktrees(root) == 2
            trees.append(tree)
            end()

    with pytest.raises(KeyboardInterrupt):
        work()
    assert not trees[0].parent.exists()
    assert worktrees(root) == 1
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_commit_without_cases_is_refused(root: Path) -> None:
    (root / "benchmarks" / "throughput" / "cases.py").unlink()
    (root / "other").touch()
    head = commit(root, "no cases")
    with pytest.raises(ValueError, match=f"commit {head} has no"), guard.two_sides(root, head):
        pass
    assert worktrees(root) == 1


def test_a_commit_that_a_shallow_clone_lacks_is_named(root: Path, tmp_path: Path) -> None:
    first = worktree.full_hash(root, "HEAD")
    (root / baseline.FILE).write_text(json.dumps({"commit": first}))
    commit(root, "second")
    assert baseline.read(root) == first
    shallow = tmp_path / "shallow"
    subprocess.run(
        ["git", "clone", "--quiet", "--depth", "1", root.as_uri(), str(shallow)], check=True
    )
    with pytest.raises(ValueError, match=f"commit {first} is not in this clone; .*unshallow"):
        baseline.read(shallow)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"commit": "HEAD"}', '{"commit": 3}'])
def test_a_baseline_that_is_no_commit_is_refused(root: Path, text: str) -> None:
    (root / baseline.FILE).write_text(text)
    with pytest.raises(ValueError, match=r"legal: .*40 hexadecimal digits"):
        baseline.read(root)


def test_an_update_moves_the_baseline_and_says_what_it_changes(root: Path) -> None:
    first = worktree.full_hash(root, "HEAD")
    write(root, NOW)
    with pytest.raises(ValueError, match=r"cases\.py is not committed"):
        baseline.check_committed(root)
    second = commit(root, "Counts longer")
    baseline.check_committed(root)
    lines = baseline.move(root, first, second)
    assert lines[0] == f"baseline: {first} -> {second}"
    assert lines[1].startswith("1 commits of the timed code: 1 file changed")
    assert lines[2].endswith("Counts longer")
    assert baseline.read(root) == second
    assert baseline.move(root, second, second) == [f"the baseline is {second} already"]


def test_an_unknown_part_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert guard.main(["--parts", "desk"]) == guard.USAGE
    assert capsys.readouterr().err.startswith("error: --parts desk: no such part; legal: desk step")
