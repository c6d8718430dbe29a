"""Bad input ends in one line and exit code 2, before anything is made."""

import json
from pathlib import Path

import fake_stages
import pytest
from fake_checkout import ROOT, Checkout

from benchmarks import run


def test_a_copy_without_the_split_that_a_table_needs_is_one_line_and_exit_code_2(
    checkout: Checkout,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    with_sound = 0

    def prepare_only_train(*arguments: object) -> dict[str, object]:
        header = prepare(*arguments)  # type: ignore[arg-type]
        if arguments[1] is None:
            return header
        header["counts"] = {"all": 3, "1/train": 3, "1/train/with_sound": with_sound}
        (Path(str(arguments[4])) / "manifest.json").write_text(json.dumps(header))
        return header

    prepare = fake_stages.prepare
    monkeypatch.setattr(fake_stages, "prepare", prepare_only_train)
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "one").touch()
    for name, split in (
        ("ucf101", "none usable for test of fold 1; class folders"),
        ("audioset", "none usable for train of fold 1 that have both video and sound"),
    ):
        for _ in range(2):  # before and after it is prepared
            assert checkout.run("--yes", "--data", f"{name}={tmp_path / 'clips'}") == 2
            last_line = capsys.readouterr().err.splitlines()[-1]
            assert last_line.startswith(f"error: {name}: clips of folder clips, {split}")
    with_sound = 3
    (tmp_path / "few").mkdir()
    (tmp_path / "few" / "one").touch()
    assert checkout.run("--yes", "--data", f"audioset={tmp_path / 'few'}") == 2
    last_line = capsys.readouterr().err.splitlines()[-1]
    assert "3 usable for train of fold 1 that have both" in last_line
    assert "fewer than one batch of" in last_line
    assert checkout.home.run_ids() == []


def test_a_copy_that_is_laid_out_otherwise_is_refused_before_anything_is_made(
    checkout: Checkout,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    def reader(corpus: str, source: Path) -> str:
        raise ValueError(f"{source} is not laid out as {corpus}")

    monkeypatch.setattr(fake_stages, "reader", reader)
    copy = tmp_path / "clips"
    copy.mkdir()
    for mode in ("--yes", "--dry-run"):
        assert checkout.run(mode, "--data", f"ucf101={copy}") == 2
        last_line = capsys.readouterr().err.splitlines()[-1]
        assert last_line == f"error: --data ucf101: {copy} is not laid out as ucf101"
    assert not list(checkout.home.corpora.glob("*"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--table", "IX"], "unknown table 'IX'; known: I, II, all"),
        (["--data", "ucf101"], "--data ucf101: NAME=PATH is expected"),
        (["--data", "hmdb51=."], "--data: unknown corpus 'hmdb51'; known: audioset, ucf101"),
        (["--data", "ucf101=/no/such"], "--data ucf101: there is no folder /no/such"),
        (["--seeds", "0", "0"], "--seeds [0, 0]: a seed repeats"),
        (["--out", "/dev/null"], "--out /dev/null: not a folder"),
        (["--force", "nonsense"], "--force nonsense: no such run in this plan"),
        (["--accept", "nonsense"], "--accept nonsense: no such stale result in this plan"),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(
    checkout: Checkout,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    assert checkout.run("--yes", *arguments) == 2
    assert capsys.readouterr().err == f"error: {message}\n"


def test_the_paper_scale_asks_for_real_data(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["--table", "II", "--scale", "paper", "--yes", "--home", str(checkout.home.root)]
    (checkout.folder / "benchmarks" / "scales" / "paper.yaml").write_bytes(
        (ROOT / "benchmarks" / "scales" / "paper.yaml").read_bytes()
    )
    assert run.main(argv, stages=fake_stages, folder=checkout.folder) == 2
    error = capsys.readouterr().err
    assert "scale paper needs a real copy: --data audioset=PATH --data ucf101=PATH" in error


def test_an_unusable_copy_is_one_line(
    checkout: Checkout, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    assert checkout.run("--yes", "--data", f"ucf101={tmp_path / 'empty'}") == 2
    assert capsys.readouterr().err.splitlines()[-1] == "error: nothing usable in empty"


def test_a_copy_that_holds_the_home_is_refused_before_anything_runs(
    checkout: Checkout, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    root = checkout.home.root
    (tmp_path / "link").symlink_to(root.parent)
    copy = tmp_path / "link"
    assert checkout.run("--yes", "--data", f"ucf101={copy}") == 2
    message = f"--data ucf101: --home {root} lies inside {copy}; move the home"
    assert capsys.readouterr().err == f"error: {message}\n"
    assert checkout.home.run_ids() == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--no-wait", "--cluster", "local"], "--no-wait: site local is no cluster"),
        (["--no-wait", "--status", "--cluster", "slurm"], "--no-wait does nothing with --status"),
        (["--force", "all", "--collect"], "--force runs something, and --collect does not"),
        (["--force", "all", "--status"], "--force runs something, and --status does not"),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(
    options: list[str], message: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run.main(["--table", "II", "--home", str(tmp_path), *options]) == 2
    assert capsys.readouterr().err == f"error: {message}\n"
