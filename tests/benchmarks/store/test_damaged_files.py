"""Each file of a home with each kind of damage: one line, the right exit code, nothing lost."""

import os
import shutil
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from damage import ODD, TEXTS, everything, fingerprint, put
from fake_checkout import Checkout

from benchmarks.render import plot

SECONDS = 30
FINISHED = ("spec.json", "result.json", "attempts.json")
RENEWED = ("claim.json", "progress.json", "attempts.json", "failure.json")
KINDS = [
    *TEXTS,
    *(pytest.param(k, marks=pytest.mark.skipif(os.getuid() == 0, reason="root reads everything"))
      if k == "unreadable" else k for k in ODD),
]  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout whose table is complete."""
    checkout = Checkout(tmp_path_factory.mktemp("finished") / "checkout")
    assert checkout.run("--yes", "--seeds", "0") == 0
    return checkout


@pytest.fixture
def copied(
    finished: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Checkout]:
    """Its copy; a command that waits fails, and nothing is drawn."""

    def give_up(*_: object) -> None:
        raise AssertionError(f"no end after {SECONDS} s")

    monkeypatch.setattr(plot, "draw", lambda shown: b"")
    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(SECONDS)
    yield finished.with_copied_home(tmp_path / "home")
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def first(checkout: Checkout, stage: str) -> str:
    return next(i for i in checkout.home.run_ids() if i.startswith(stage))


def unfinish(checkout: Checkout, run_id: str) -> None:
    """As after a launch that was killed: an attempt, a claim of a dead process, a failure."""
    folder = checkout.home.runs / run_id
    (folder / "result.json").unlink()
    (folder / "failure.json").write_text('{"reason": "bad luck"}')
    claim = '{"launch": "x", "user": "u", "host": "%s", "pid": 1, "process_start": "-"}'
    (folder / "claim.json").write_text(claim % socket.gethostname())


def age(folder: Path) -> None:
    """As if nothing had changed in it for an hour: nobody is at work."""
    os.utime(folder, (folder.stat().st_atime, folder.stat().st_mtime - 3600))


class Commands:
    """Runs commands and keeps what they said; checks what holds of all of them."""

    def __init__(
        self, checkout: Checkout, capsys: pytest.CaptureFixture[str], *damaged: str
    ) -> None:
        self.checkout, self.capsys = checkout, capsys
        results = checkout.home.runs.glob("*/result.json")
        self.sound = {p: p.read_bytes() for p in results if p.parent.name not in damaged}

    def run(self, *arguments: str) -> tuple[int, str]:
        self.capsys.readouterr()
        code = self.checkout.run("--seeds", "0", *arguments)
        said = self.capsys.readouterr()
        assert code != 5
        assert "Traceback" not in said.err
        assert {path: path.read_bytes() for path in self.sound} == self.sound
        return code, said.err

    def table(self) -> str:
        return (self.checkout.folder / "out" / "table2.md").read_text()


def named(words: str, *parts: str) -> bool:
    """Whether one line says which file is damaged."""
    return any(
        "damaged" in line and all(part in line for part in parts) for line in words.splitlines()
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", FINISHED)
@pytest.mark.parametrize("stage", ["retrieval", "features"])
def test_a_finished_run_with_a_damaged_record_gives_no_number(
    copied: Checkout, capsys: pytest.CaptureFixture[str], stage: str, name: str, kind: str
) -> None:
    run_id = first(copied, stage)
    path = copied.home.runs / run_id / name
    put(kind, path)
    there, commands = fingerprint(path), Commands(copied, capsys, run_id)
    for arguments in (["--collect"], ["--yes"]):
        code, words = commands.run(*arguments)
        assert code == 4
        assert named(words, run_id, name, f"--force {run_id}")
        assert fingerprint(path) == there
    assert f"- `{run_id}`: {name} is damaged: " in commands.table()
    assert ("(damaged)" in commands.table()) == (stage == "retrieval")
    commands.sound = {p: b for p, b in commands.sound.items() if "retrieval" not in p.parent.name}
    assert commands.run("--force", run_id, "--yes")[0] == 0
    assert there in everything(copied.home.runs / ".aside")
    assert "damaged" not in commands.table()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", RENEWED)
def test_what_the_next_attempt_makes_again_is_moved_aside(
    copied: Checkout, capsys: pytest.CaptureFixture[str], name: str, kind: str
) -> None:
    run_id = first(copied, "retrieval")
    unfinish(copied, run_id)
    path = copied.home.runs / run_id / name
    put(kind, path)
    age(path.parent)
    there, commands = fingerprint(path), Commands(copied, capsys, run_id)
    code, words = commands.run("--collect")
    assert code == 4  # it has failed, or nobody knows
    assert fingerprint(path) == there
    said = [words]
    code, words = commands.run("--yes")
    assert code == 0
    assert named("\n".join([*said, words]), run_id, name)
    assert f"moved aside: {path} -> .aside/{name}.0" in words
    assert there in everything(path.parent / ".aside")
    assert copied.home.run(run_id).state() == "done"


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_with_a_damaged_specification_is_not_gone_on_with(
    copied: Checkout, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    run_id = first(copied, "retrieval")
    unfinish(copied, run_id)
    path = copied.home.runs / run_id / "spec.json"
    put(kind, path)
    there, commands = fingerprint(path), Commands(copied, capsys, run_id)
    for arguments in (["--collect"], ["--yes"]):
        code, words = commands.run(*arguments)
        assert code == 4
        assert named(words, run_id, "spec.json")
        assert fingerprint(path) == there


@pytest.mark.parametrize("kind", ["cut", "folder", "fifo", "broken-link"])
def test_a_claim_that_cannot_be_read_counts_while_its_run_changes(
    copied: Checkout, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    run_id = first(copied, "retrieval")
    unfinish(copied, run_id)
    put(kind, copied.home.runs / run_id / "claim.json")
    code, words = Commands(copied, capsys, run_id).run("--yes")
    assert code == 3
    assert named(words, run_id, "claim.json", "counts as running")


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_acceptance_counts_as_absent(
    copied: Checkout, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    run_id = first(copied, "retrieval")
    path = copied.home.runs / run_id / "accepted.json"
    put(kind, path)
    there = fingerprint(path)
    code, words = Commands(copied, capsys).run("--collect")
    assert code == 0
    assert named(words, run_id, "accepted.json", "counts as absent")
    copied.home.run(run_id).accept("a" * 64)
    assert copied.home.run(run_id).accepted() == ["a" * 64]
    assert there in everything(path.parent / ".aside")


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "empty"])  # which is no training step
def test_a_damaged_training_curve_costs_the_curve(
    copied: Checkout, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    run_id = first(copied, "pretrain-iicl")
    path = copied.home.run(run_id).files / "metrics.jsonl"
    path.write_text('{"step": 0, "total": 1.5}\n')
    put(kind, path)
    code, words = Commands(copied, capsys).run("--collect")
    assert code == 0
    assert named(words, run_id, "metrics.jsonl", "its curve is left out")


@pytest.mark.parametrize("kind", ["folder", "fifo", "broken-link"])
def test_what_only_the_suite_writes_is_moved_aside(
    copied: Checkout, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    run_id = first(copied, "retrieval")
    unfinish(copied, run_id)
    log = copied.home.run(run_id).log()
    beat = copied.home.launches / f"{socket.gethostname()}-{os.getpid()}"
    put(kind, log)
    put(kind, beat)
    there = {fingerprint(log), fingerprint(beat)}
    commands = Commands(copied, capsys, run_id)
    assert commands.run("--collect")[0] == 4
    assert commands.run("--status")[0] == 0
    code, words = commands.run("--yes")
    assert code == 0
    assert {f"moved aside: {path} -> .aside/{path.name}.0" for path in (log, beat)} <= set(
        words.splitlines()
    )
    assert there <= everything(copied.home.root)


@pytest.mark.parametrize("kind", ["folder", "fifo"])
def test_a_lock_that_is_no_file_is_one_line(
    copied: Checkout, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    run_id = first(copied, "retrieval")
    unfinish(copied, run_id)
    put(kind, copied.home.root / ".lock")
    code, words = Commands(copied, capsys, run_id).run("--yes")
    assert code == 2
    assert named(words, str(copied.home.root / ".lock"))


@pytest.mark.parametrize("kind", ["cut", "fifo", "broken-link"])
@pytest.mark.parametrize("stage", ["retrieval", "pretrain"])
def test_what_is_no_folder_is_no_run(
    copied: Checkout, capsys: pytest.CaptureFixture[str], stage: str, kind: str
) -> None:
    run_id = first(copied, stage)
    folder = copied.home.runs / run_id
    shutil.rmtree(folder)
    put(kind, folder)
    there, commands = fingerprint(folder), Commands(copied, capsys, run_id)
    for arguments in (["--collect"], ["--yes"]):
        code, words = commands.run(*arguments)
        assert code == 4
        assert named(words, run_id, "no folder")
    assert commands.run("--status")[0] == 0
    commands.sound = {}
    assert commands.run("--force", run_id, "--yes")[0] == 0
    assert there in everything(copied.home.runs / ".aside")


@pytest.mark.parametrize("kind", ["folder", "fifo", "broken-link", "huge"])
def test_a_damaged_picture_of_a_corpus_costs_the_picture(
    copied: Checkout, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    corpus = next(p for p in copied.home.corpora.iterdir() if p.name.startswith("ucf101"))
    put(kind, corpus.with_name(f"{corpus.name}.png"))
    code, words = Commands(copied, capsys).run("--collect")
    assert code == 0
    assert named(words, f"{corpus.name}.png", "left out")
    assert "two of every class" not in (copied.folder / "out" / "table2.md").read_text()
