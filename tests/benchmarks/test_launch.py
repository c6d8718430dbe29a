"""What a launch runs, keeps and writes, with stages that cost nothing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from fake_checkout import ROOT, Checkout

from benchmarks.plan import identity


def test_complete_then_nothing_to_do_and_equal_bytes(checkout: Checkout) -> None:
    assert checkout.run("--yes") == 0
    first_files = {p.name: p.read_bytes() for p in (checkout.folder / "out").iterdir()}
    assert set(first_files) == {
        f"table2.{ending}" for ending in ("md", "cost.md", "csv", "json", "png")
    }
    attempts = {i: len(checkout.home.run(i).attempts()) for i in checkout.home.run_ids()}
    assert checkout.run() == 0  # no --yes, no terminal: nothing needs to be asked
    assert {p.name: p.read_bytes() for p in (checkout.folder / "out").iterdir()} == first_files
    assert {i: len(checkout.home.run(i).attempts()) for i in checkout.home.run_ids()} == attempts
    assert set(attempts.values()) == {1}


def test_real_data_is_named_with_what_was_there(checkout: Checkout, tmp_path: Path) -> None:
    for name, count in (("GRID", 3), ("data", 4)):
        (tmp_path / name).mkdir()
        for i in range(count):
            (tmp_path / name / f"{i}.mp4").touch()
    (tmp_path / "data" / "official").touch()
    data = ["--data", f"audioset={tmp_path / 'GRID'}", "--data", f"ucf101={tmp_path / 'data'}"]
    assert checkout.run("--yes", *data) == 0
    text = (checkout.folder / "out" / "table2.md").read_text()
    assert "- audioset: 3 of 3 clips of folder GRID stood in" in text
    assert "- ucf101: 5 of 13,320 listed items present and usable" in text
    assert str(tmp_path) not in text
    num_runs = len(checkout.home.run_ids())
    (tmp_path / "GRID" / "another.mp4").touch()
    assert checkout.run(*data) == 0  # nothing was allowed, so nothing is taken in
    assert len(checkout.home.run_ids()) == num_runs
    assert checkout.run("--yes", *data) == 0
    assert len(checkout.home.run_ids()) == 2 * num_runs  # other data, other runs


def test_force_moves_a_run_and_its_descendants_aside(checkout: Checkout) -> None:
    assert checkout.run("--yes") == 0
    ids = checkout.home.run_ids()
    (features, *_) = [i for i in ids if i.startswith("features")]
    assert checkout.run("--force", features) == 3  # asked, and not allowed
    assert not (checkout.home.runs / ".aside").exists()
    assert checkout.run("--yes", "--force", features, "--force", features) == 0
    moved_runs = [p.name for p in (checkout.home.runs / ".aside").iterdir()]
    assert sorted(name.split("-")[0] for name in moved_runs) == ["features", "retrieval"]
    assert checkout.home.run_ids() == ids


def test_a_lost_file_of_an_upstream_run_names_the_way_out(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    assert checkout.run("--yes") == 0
    ids = checkout.home.run_ids()
    (features, *_) = [i for i in ids if i.startswith("features")]
    (upstream,) = checkout.home.run(features).spec()["upstream"].values()  # type: ignore[index]
    (checkout.home.run(upstream).files / "data.json").unlink()
    assert checkout.run("--yes", "--force", features) == 4
    assert f"data.json'; --force {upstream}\n" in capsys.readouterr().err
    assert checkout.run("--yes", "--force", upstream) == 0


def test_stale_results_are_kept_shown_and_accepted_by_name(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    assert checkout.run("--yes") == 0
    old_ids = checkout.home.run_ids()
    code = checkout.folder / "iicl" / "config.py"
    code.write_text(code.read_text() + "\nANOTHER = 1\n")
    identity.clear()
    assert checkout.run("--collect") == 3
    text = (checkout.folder / "out" / "table2.md").read_text()
    assert "(stale)" in text
    assert "was made by other code" in text
    assert checkout.home.run_ids() == old_ids
    # Accepting every stale run, upstream first, makes the table complete again.
    order = {"pretrain": 0, "features": 1, "retrieval": 2}
    while True:
        capsys.readouterr()
        checkout.run("--dry-run")
        lines = capsys.readouterr().out.splitlines()
        stale = [line.split(": ")[1] for line in lines if line.startswith("stale")]
        if not stale:
            break
        first_stale = min(stale, key=lambda i: order[i.split("-")[0]])
        assert checkout.run("--dry-run", "--accept", first_stale) == 0
    assert checkout.run("--collect", "--accept", first_stale) == 0  # the same command again
    assert checkout.home.run_ids() == old_ids
    assert "a person accepted it" in (checkout.folder / "out" / "table2.md").read_text()


def test_two_launches_at_once_run_everything_once(checkout: Checkout, tmp_path: Path) -> None:
    marks = tmp_path / "marks"
    marks.mkdir()
    checkout.scale(execution=json.dumps({"mark": str(marks)}))
    code = (
        "import sys; sys.path[:0] = ['tests/benchmarks']; import fake_stages\n"
        "from pathlib import Path; from benchmarks import run\n"
        f"argv = ['--table', 'II', '--scale', 'smoke', '--cluster', 'inline', '--yes',"
        " '--precision', 'bf16',"
        f" '--home', '{checkout.home.root}', '--out', '{tmp_path}/out']\n"
        f"sys.exit(run.main(argv, stages=fake_stages, folder=Path('{checkout.folder}')))"
    )
    command = [sys.executable, "-c", code]
    processes = [subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE) for _ in range(2)]
    for process in processes:
        process.communicate()
        assert process.returncode in (0, 3)  # 3: the other launch had some of the runs
    assert checkout.run("--yes") == 0
    executions = [path.read_text().count("\n") for path in marks.iterdir()]
    assert executions == [1] * 14
