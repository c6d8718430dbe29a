"""A home that an earlier version wrote is read, collected and continued."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from fake_checkout import ROOT

OLD = Path(__file__).parent / "home_8da87c8"
PRETRAININGS = (
    "pretrain-iicl-audioset-s0-3add5317.59f8",
    "pretrain-iicl-audioset-s0-55e02a38.c77b",
    "pretrain-iicl-audioset-s0-ef9ca2a1.c77b",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkout of today's code with the old table, scale and home."""
    shutil.copytree(OLD, tmp_path, dirs_exist_ok=True)
    shutil.copytree(ROOT / "iicl", tmp_path / "iicl", ignore=shutil.ignore_patterns("__pycache__"))
    for run in (tmp_path / "home" / "runs").iterdir():
        (run / "files").mkdir(exist_ok=True)  # empty folders are not kept with the fixture
    # The shards are not kept either. As if the generator's code had changed since: a launch then
    # generates the clips again, and the runs stay because the clips are the same.
    corpora = tmp_path / "home" / "corpora"
    (corpora / "audioset-6a41c526.c9a7").rename(corpora / "audioset-6a41c526.0000")
    return tmp_path


def launch(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    code = (
        "import sys\nfrom pathlib import Path\nfrom benchmarks import run\n"
        f"sys.exit(run.main(sys.argv[1:], folder=Path({str(folder)!r})))"
    )
    words = ["--table", "I", "--scale", "smoke", "--seeds", "0", "--precision", "float32"]
    words += ["--cluster", "inline", "--home", str(folder / "home"), "--out", str(folder / "out")]
    return subprocess.run(
        [sys.executable, "-c", code, *words, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def values(folder: Path) -> dict[str, list[tuple[str, tuple[float, ...]]]]:
    """Of each row the verdict and the values of every column."""
    shown = json.loads((folder / "out" / "table1.json").read_text())
    return {
        row["name"]: [(cell["verdict"], tuple(cell["values"])) for cell in row["cells"]]
        for row in shown["rows"]
    }


def results(folder: Path) -> dict[str, bytes]:
    return {p.parent.name: p.read_bytes() for p in (folder / "home" / "runs").glob("*/result.json")}


def test_an_old_home_is_collected(folder: Path) -> None:
    before = results(folder)
    done = launch(folder, "--collect")
    assert done.returncode == 3, done.stderr
    assert results(folder) == before
    retrieval = json.loads(before["retrieval-iicl-audioset-f1-s0-816d01c0.10d8"])["metrics"]
    clustering = json.loads(before["clustering-iicl-audioset-f1-s0-5e45c248.77d6"])["metrics"]
    expected = [100 * retrieval["recall_at_1"], 100 * clustering["nmi"]]
    old, missing = (values(folder)[row] for row in ("c100", "c400"))
    assert [verdict for verdict, _ in old] == ["stale", "stale"]
    assert [value for _, (value,) in old] == pytest.approx(expected, abs=1e-12)
    assert missing == [("incomplete", ()), ("incomplete", ())]


def test_an_old_home_is_continued(folder: Path) -> None:
    before = results(folder)
    accepted = [word for run_id in sorted(before, reverse=True) for word in ("--accept", run_id)]
    status = launch(folder, "--status")
    assert status.returncode == 0, status.stderr
    assert all(run_id.rpartition(".")[0] in status.stdout for run_id in before)

    done = launch(folder, "--yes", *accepted)
    assert done.returncode in (0, 1), done.stderr
    after = results(folder)
    assert {run_id: after[run_id] for run_id in before} == before
    made = sorted(run_id.split("-")[0] for run_id in after.keys() - before.keys())
    assert made == ["clustering", "features", "retrieval"]  # on the old weights
    for run_id in after.keys() - before.keys():
        spec = json.loads((folder / "home" / "runs" / run_id / "spec.json").read_text())
        assert not set(spec["upstream"].values()) & before.keys() - set(PRETRAININGS)
    assert all(len(numbers) == 1 for row in ("c100", "c400") for _, numbers in values(folder)[row])
