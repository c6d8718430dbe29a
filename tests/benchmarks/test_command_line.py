"""The command from its arguments to its exit code, with stages that cost nothing."""

import io
import json
import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import fake_stages
import pytest
from fake_checkout import ROOT, Checkout

from benchmarks import run, stages
from benchmarks.plan import identity
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


def test_complete_then_nothing_to_do_and_equal_bytes(checkout: Checkout) -> None:
    assert checkout.run("--yes") == 0
    first = {p.name: p.read_bytes() for p in (checkout.folder / "out").iterdir()}
    assert set(first) == {f"table2.{ending}" for ending in ("md", "cost.md", "csv", "json", "png")}
    attempts = {i: len(checkout.home.run(i).attempts()) for i in checkout.home.run_ids()}
    assert checkout.run() == 0  # no --yes, no terminal: nothing needs to be asked
    assert {p.name: p.read_bytes() for p in (checkout.folder / "out").iterdir()} == first
    assert {i: len(checkout.home.run(i).attempts()) for i in checkout.home.run_ids()} == attempts
    assert set(attempts.values()) == {1}


def test_rows_share_what_does_not_differ(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    assert checkout.run("--dry-run") == 0
    # 2 seeds x (1 shared initialisation + 2 rows x (co-training, features, retrieval))
    assert "14 runs; without sharing equal ones there would be 16" in capsys.readouterr().out


def test_a_copy_without_the_split_that_a_table_needs_is_one_line_and_exit_code_2(
    checkout: Checkout,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    with_sound = 0

    def only_train(*arguments: object) -> dict[str, object]:
        header = prepare(*arguments)  # type: ignore[arg-type]
        if arguments[1] is None:
            return header
        header["counts"] = {"all": 3, "1/train": 3, "1/train/with_sound": with_sound}
        (Path(str(arguments[4])) / "manifest.json").write_text(json.dumps(header))
        return header

    prepare = fake_stages.prepare
    monkeypatch.setattr(fake_stages, "prepare", only_train)
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "one").touch()
    for name, split in (
        ("ucf101", "none usable for test of fold 1; class folders"),
        ("audioset", "none usable for train of fold 1 that have both video and sound"),
    ):
        for _ in range(2):  # before and after it is prepared
            assert checkout.run("--yes", "--data", f"{name}={tmp_path / 'clips'}") == 2
            last = capsys.readouterr().err.splitlines()[-1]
            assert last.startswith(f"error: {name}: clips of folder clips, {split}")
    with_sound = 3
    (tmp_path / "few").mkdir()
    (tmp_path / "few" / "one").touch()
    assert checkout.run("--yes", "--data", f"audioset={tmp_path / 'few'}") == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert "3 usable for train of fold 1 that have both" in last
    assert "fewer than one batch of" in last
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
        last = capsys.readouterr().err.splitlines()[-1]
        assert last == f"error: --data ucf101: {copy} is not laid out as ucf101"
    assert not list(checkout.home.corpora.glob("*"))


@pytest.mark.parametrize("shell", ["| head -n 1", "| cat", ">&-"])
def test_streams_that_are_closed_or_narrow_change_no_exit_code(tmp_path: Path, shell: str) -> None:
    command = f"{sys.executable} benchmarks/run.py --table I --scale smoke --home {tmp_path}"
    result = subprocess.run(
        ["bash", "-c", f"{command} --collect {shell}; echo rc ${{PIPESTATUS[0]}} >&2"],
        cwd=ROOT,
        env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUNBUFFERED": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stderr.splitlines()[-1] == "rc 3"
    assert "rror" not in result.stderr
    assert (tmp_path / "tables" / "smoke" / "table1.md").exists()


def test_nothing_runs_without_yes_and_without_a_terminal(
    checkout: Checkout, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for stdin in (io.StringIO("y\n"), None):
        monkeypatch.setattr("sys.stdin", stdin)
        assert checkout.run() == 3
        assert "nothing was run: there is no terminal" in capsys.readouterr().err
    assert checkout.home.run_ids() == []


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


def test_a_failed_run_shows_its_last_lines_and_is_tried_again(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    checkout.scale(execution="{fail: [features]}")
    assert checkout.run("--yes") == 4
    error = capsys.readouterr().err
    assert "RuntimeError: features cannot" in error
    assert "    RuntimeError: features cannot" in error  # the last line of its log
    states = {i.split("-")[0]: checkout.home.run(i).state() for i in checkout.home.run_ids()}
    assert states == {"pretrain": "done", "features": "failed", "retrieval": "new"}
    checkout.scale()  # execution is no part of a run's identity
    assert checkout.run("--yes") == 0


def test_a_killed_run_fails_alone(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    checkout.scale(execution="{kill: [retrieval]}")
    assert checkout.run("--yes", cluster="local") == 4
    error = capsys.readouterr().err
    assert "killed by SIGKILL" in error
    assert "    about to die" in error
    states = {i.split("-")[0]: checkout.home.run(i).state() for i in checkout.home.run_ids()}
    assert states == {"pretrain": "done", "features": "done", "retrieval": "failed"}


def test_a_metric_that_is_no_fraction_never_reaches_a_table(
    checkout: Checkout,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fake_stages, "_value", lambda *_: 50.0)
    assert checkout.run("--yes") == 4
    assert (
        "metrics.recall_at_1 is 50.0: Input should be less than or equal to 1"
        in capsys.readouterr().err
    )


def test_ctrl_c_leaves_runs_that_the_same_command_resumes(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(fake_stages, "run", interrupted)
        assert checkout.run("--yes") == 130
    states = [checkout.home.run(i).state() for i in checkout.home.run_ids()]
    assert sorted(states) == ["new"] * 13 + ["resume"]
    assert checkout.run("--yes") == 0


def test_incomplete_is_3_and_never_replaces_a_published_table(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["--table", "II", "--scale", "smoke", "--cluster", "inline", "--collect"]
    home = ["--home", str(checkout.home.root)]
    assert run.main([*argv, *home], stages=fake_stages, folder=checkout.folder) == 3
    assert not (checkout.folder / "tables" / "smoke").exists()
    written = (checkout.home.root / "tables" / "smoke" / "table2.md").read_text()
    assert "– (incomplete)" in written
    argv[-1] = "--yes"
    assert run.main([*argv, *home], stages=fake_stages, folder=checkout.folder) == 0
    assert (checkout.folder / "tables" / "smoke" / "table2.md").exists()
    more = ["--seeds", "0", "1", "2"]
    assert run.main([*argv, *home, *more], stages=fake_stages, folder=checkout.folder) == 0
    assert (checkout.home.root / "tables" / "smoke-seeds.0.1.2" / "table2.md").exists()


def test_a_reversed_claim_is_1(checkout: Checkout) -> None:
    table = checkout.folder / "tables" / "table2.yaml"
    table.write_text(
        table.read_text() + "claims:\n- {says: B wins, where: IV, column: r1, best: b}\n"
    )
    assert checkout.run("--yes", "--seeds", *"01234") == 1
    assert "reversed" in (checkout.folder / "out" / "table2.md").read_text()


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
    before = len(checkout.home.run_ids())
    (tmp_path / "GRID" / "another.mp4").touch()
    assert checkout.run(*data) == 0  # nothing was allowed, so nothing is taken in
    assert len(checkout.home.run_ids()) == before
    assert checkout.run("--yes", *data) == 0
    assert len(checkout.home.run_ids()) == 2 * before  # other data, other runs


def test_force_moves_a_run_and_its_descendants_aside(checkout: Checkout) -> None:
    assert checkout.run("--yes") == 0
    ids = checkout.home.run_ids()
    (features, *_) = [i for i in ids if i.startswith("features")]
    assert checkout.run("--force", features) == 3  # asked, and not allowed
    assert not (checkout.home.runs / ".aside").exists()
    assert checkout.run("--yes", "--force", features, "--force", features) == 0
    aside = [p.name for p in (checkout.home.runs / ".aside").iterdir()]
    assert sorted(name.split("-")[0] for name in aside) == ["features", "retrieval"]
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
    old = checkout.home.run_ids()
    code = checkout.folder / "iicl" / "config.py"
    code.write_text(code.read_text() + "\nANOTHER = 1\n")
    identity.clear()
    assert checkout.run("--collect") == 3
    text = (checkout.folder / "out" / "table2.md").read_text()
    assert "(stale)" in text
    assert "was made by other code" in text
    assert checkout.home.run_ids() == old
    # Accepting every stale run, upstream first, makes the table complete again.
    order = {"pretrain": 0, "features": 1, "retrieval": 2}
    while True:
        capsys.readouterr()
        checkout.run("--dry-run")
        lines = capsys.readouterr().out.splitlines()
        stale = [li.split(": ")[1] for li in lines if li.startswith("stale")]
        if not stale:
            break
        first = min(stale, key=lambda i: order[i.split("-")[0]])
        assert checkout.run("--dry-run", "--accept", first) == 0
    assert checkout.run("--collect", "--accept", first) == 0  # the same command again
    assert checkout.home.run_ids() == old
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
    both = [subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE) for _ in range(2)]
    for process in both:
        process.communicate()
        assert process.returncode in (0, 3)  # 3: the other launch had some of the runs
    assert checkout.run("--yes") == 0
    executions = [path.read_text().count("\n") for path in marks.iterdir()]
    assert executions == [1] * 14


def test_a_killed_process_of_the_generator_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def die(*arguments: object, **options: object) -> None:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            pool.submit(os.abort).result()

    monkeypatch.setattr("iicl.data.synthetic.write.generate", die)
    with pytest.raises(OSError, match="a process that generated ucf101 was killed"):
        stages.prepare("ucf101", None, {}, {}, tmp_path / "out", 1, lambda done, total: None)


def test_a_crash_has_an_exit_code_of_its_own(
    checkout: Checkout, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(resolved: object) -> list[str]:
        raise RuntimeError("a fault of the suite")

    monkeypatch.setattr(fake_stages, "code_modules", broken)
    assert checkout.run("--collect") == 5
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("crashed: RuntimeError: a fault of the suite")
