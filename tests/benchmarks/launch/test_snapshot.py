"""Jobs run a copy of the code that is taken at the submission."""

from pathlib import Path

import pytest
from cluster_commands import launch
from damage import ODD, TEXTS, everything, fingerprint, put
from fake_checkout import Checkout
from fake_slurm import FakeSlurm

from benchmarks.launch import snapshot
from benchmarks.plan import identity


def test_an_edit_after_submission_changes_nothing_that_is_queued(tmp_path: Path) -> None:
    code = tmp_path / "code"
    (code / "iicl").mkdir(parents=True)
    (code / "iicl" / "losses.py").write_text("LOSS = 1\n")
    copy = snapshot.take(code, tmp_path / "home")
    assert snapshot.take(code, tmp_path / "home") == copy
    (code / "iicl" / "losses.py").write_text("LOSS = 2\n")
    assert snapshot.take(code, tmp_path / "home") != copy
    assert (copy / "iicl" / "losses.py").read_text() == "LOSS = 1\n"
    assert (copy / "COMMIT").read_text().strip()


@pytest.mark.parametrize("kind", [*TEXTS, *(kind for kind in ODD if kind != "unreadable")])
@pytest.mark.parametrize("name", ["COMMIT", "iicl/losses.py"])
def test_a_damaged_copy_of_the_code_is_moved_aside(tmp_path: Path, name: str, kind: str) -> None:
    (tmp_path / "code" / "iicl").mkdir(parents=True)
    (tmp_path / "code" / "iicl" / "losses.py").write_text('{"a": "b"}')
    copy = snapshot.take(tmp_path / "code", tmp_path / "home")
    original = (copy / name).read_bytes()
    if kind == "huge" and name != "COMMIT":
        pytest.skip("the files of the code are read whole")
    if kind == "wrong-types" and name == "COMMIT":
        (copy / name).write_text("{}")
    put(kind, copy / name)
    damaged_bytes = fingerprint(copy / name)
    assert snapshot.take(tmp_path / "code", tmp_path / "home") == copy
    assert (copy / name).read_bytes() == original
    assert damaged_bytes in everything(copy.parent / ".aside")


def test_code_that_changes_between_plan_and_submission_is_not_submitted(
    prepared: Checkout,
    fake_slurm: FakeSlurm,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    take = snapshot.take

    def take_after_an_edit(code: Path, home: Path) -> Path:
        file = code / "iicl" / "config.py"
        file.write_text(file.read_text() + "\nANOTHER = 1\n")
        return take(code, home)

    monkeypatch.setattr(snapshot, "take", take_after_an_edit)
    assert launch(prepared) == 2
    assert "the code changed while this was planned" in capsys.readouterr().err
    assert "sbatch" not in fake_slurm.calls()
    identity.clear()
