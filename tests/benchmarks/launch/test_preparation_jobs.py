"""Jobs on a cluster prepare the corpora before any run is submitted."""

import os
import time
from pathlib import Path

import pytest
from cluster_commands import ask_status, launch
from damage import ODD, TEXTS, everything, fingerprint, put
from fake_checkout import Checkout
from fake_slurm import FakeSlurm

from benchmarks.store.home import Home


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
    damaged_bytes, hour_ago = fingerprint(path), time.time() - 3600
    os.utime(path.parent, (hour_ago, hour_ago))
    capsys.readouterr()
    assert ask_status(checkout) == 0
    assert launch(checkout) == 3
    error = capsys.readouterr().err
    assert any(run_id in line and name in line and "damaged" in line for line in error.splitlines())
    assert damaged_bytes in everything(home.root)
    assert home.run(run_id).state() == "queued"


def test_corpora_are_prepared_by_jobs_first(
    checkout: Checkout, fake_slurm: FakeSlurm, capsys: pytest.CaptureFixture[str]
) -> None:
    assert launch(checkout) == 3
    assert "preparing: 4 jobs" in capsys.readouterr().err  # two corpora of two seeds
    home = checkout.home.preparations()
    assert len(home.run_ids()) == 4
    assert {home.run(i).state() for i in home.run_ids()} == {"queued"}
    assert fake_slurm.calls().count("sbatch") == 4
    assert checkout.home.run_ids() == []
    filled = {Path(home.run(i).any_spec()["fills"]).parent for i in home.run_ids()}  # type: ignore
    assert filled == {checkout.home.corpora}  # where what an attempt got done is looked for
    assert launch(checkout) == 3  # they are under way
    assert fake_slurm.calls().count("sbatch") == 4
    assert ask_status(checkout) == 0
    assert capsys.readouterr().out.count("prepare-") == 4


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
    needed_jobs = scripts[1].partition("afterok:")[2].splitlines()[0]
    assert needed_jobs == ":".join(f"1_{i}" for i in range(5))
    claims = {run_id: home.run(run_id).lease() for run_id in home.run_ids()}
    jobs_of_shards = sorted(
        claim.job for i, claim in claims.items() if "of0005" in i and claim is not None
    )
    assert jobs_of_shards == [f"{array}_{i}" for array in (1, 3) for i in range(5)]
