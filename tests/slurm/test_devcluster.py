"""What the development cluster says where it cannot start or stop."""

import shutil
from pathlib import Path

import pytest

from slurm.devcluster import cluster
from slurm.devcluster.__main__ import main


def test_missing_programs_are_named_by_their_packages(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(shutil, "which", lambda program: None)
    folder = tmp_path / "cluster"
    assert main(["start", str(folder)]) == 2
    packages = "munge slurm-client slurmctld slurmd"
    said = f"devcluster: missing: install Debian's packages {packages}\n"
    assert capsys.readouterr().err == said
    assert main(["run", "--", "true"]) == 2
    assert capsys.readouterr().err == said
    assert not folder.exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["start", "used"], "used is not empty: give a new folder, or stop this cluster"),
        (["start", "new", "--nodes", "0"], "a cluster has 1 node or more, not 0"),
        (["start", 100 * "x"], "is too long a path for a socket"),
        (["stop", "used"], "used holds no cluster"),
    ],
)
def test_what_cannot_be_is_one_line(
    words: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(cluster, "require", lambda: None)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "file").touch()
    assert main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(message)
    assert [p.name for p in tmp_path.iterdir()] == ["used"]
