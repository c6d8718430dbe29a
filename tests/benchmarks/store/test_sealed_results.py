"""A result fits its digest, its run and what it was made from, or it is no number."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fake_stages
import pytest
from fake_checkout import Checkout
from sample_records import PROVENANCE, RESULT, SPEC

from benchmarks import run
from benchmarks.render import plot
from benchmarks.store import records
from benchmarks.store.home import Home


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout whose table is complete."""
    checkout = Checkout(tmp_path_factory.mktemp("finished") / "checkout")
    assert checkout.run("--yes") == 0
    return checkout


@pytest.fixture
def copied(finished: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    monkeypatch.setattr(plot, "draw", lambda shown: b"")
    return finished.with_copied_home(tmp_path / "home")


def runs(checkout: Checkout, stage: str) -> Iterator[Path]:
    yield from (p for p in sorted(checkout.home.runs.iterdir()) if p.name.startswith(stage))


def change(path: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    record = json.loads(path.read_text())
    edit(record)
    path.write_text(json.dumps(record))


def collect(checkout: Checkout, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """The exit code, what is said, and the table."""
    capsys.readouterr()
    code = checkout.run("--collect")
    table = (checkout.folder / "out" / "table2.md").read_text()
    return code, capsys.readouterr().err, table


def refused(checkout: Checkout, capsys: pytest.CaptureFixture[str], run_id: str, why: str) -> None:
    """A collecting and a launching command name the run and show no number of it."""
    code, words, table = collect(checkout, capsys)
    assert code == 4
    assert checkout.run("--dry-run") == 0
    assert f"damaged: {run_id}: {why}" in capsys.readouterr().out.splitlines()
    line = f"damaged: {run_id}: {why}; --force {run_id} moves the run aside and makes it again"
    assert line in words.splitlines()
    assert f"- `{run_id}`: {why}." in table
    assert checkout.run("--yes") == 4
    lines = (checkout.folder / "out" / "table2.csv").read_text().splitlines()
    if run_id.startswith("retrieval"):
        ((_, *cells),) = (line.split(",") for line in lines if run_id in line)
        assert cells[7:10] == ["damaged", "", ""]


def test_a_record_names_its_run_and_what_it_was_made_from(copied: Checkout) -> None:
    for folder in copied.home.runs.iterdir():
        result, spec = (json.loads((folder / f"{n}.json").read_text()) for n in ("result", "spec"))
        assert result["run"] == spec["run"] == folder.name
        assert result["digest"] == records.digest(result)
        assert set(result["beside"]) == {"spec.json", "attempts.json"}
        expected = {i: copied.home.run(i).seal() for i in spec["upstream"].values()}
        assert result["upstream"] == expected
    assert {len(records.read(f / "result.json", dict)["upstream"]) for f in runs(copied, "")} == {
        0,
        1,
    }


def test_a_changed_digit_is_no_number(copied: Checkout, capsys: pytest.CaptureFixture[str]) -> None:
    folder = next(runs(copied, "retrieval"))
    before = (folder / "result.json").read_text()
    digit = json.loads(before)["metrics"]["recall_at_1"]
    after = before.replace(str(digit), str(digit)[:-1] + str((int(str(digit)[-1]) + 1) % 10), 1)
    assert sum(a != b for a, b in zip(before, after, strict=True)) == 1
    (folder / "result.json").write_text(after)
    why = "result.json is damaged: its content does not fit its digest"
    refused(copied, capsys, folder.name, why)


@pytest.mark.parametrize(
    ("name", "edit"),
    [
        ("spec.json", lambda spec: spec.update(flops=spec["flops"] + 1)),
        ("attempts.json", lambda attempts: attempts[0].update(commit="fedcba9876")),
        ("attempts.json", lambda attempts: attempts.append(attempts[0])),
    ],
)
def test_a_number_whose_origin_was_changed_is_no_number(
    copied: Checkout, capsys: pytest.CaptureFixture[str], name: str, edit: Callable[[Any], object]
) -> None:
    folder = next(runs(copied, "retrieval"))
    change(folder / name, edit)
    refused(
        copied, capsys, folder.name, f"{name} is damaged: its digest is not that in result.json"
    )


def test_another_runs_result_is_no_number(
    copied: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other, *_ = runs(copied, "retrieval")
    shutil.copy(other / "result.json", one / "result.json")
    refused(copied, capsys, one.name, f"result.json is damaged: it is of run {other.name}")


@pytest.mark.parametrize("stage", ["retrieval", "features", "pretrain"])
def test_another_runs_folder_is_no_number(
    copied: Checkout, capsys: pytest.CaptureFixture[str], stage: str
) -> None:
    one, other, *_ = runs(copied, stage)
    shutil.rmtree(one)
    shutil.copytree(other, one)
    refused(copied, capsys, one.name, f"spec.json is damaged: it is of run {other.name}")


def test_a_folder_from_before_the_seals_in_another_runs_place_is_no_number(
    copied: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    unseal(copied)
    one, other, *_ = runs(copied, "retrieval")
    shutil.rmtree(one)
    shutil.copytree(other, one)
    refused(copied, capsys, one.name, "spec.json is damaged: it is of another run")


def test_the_specification_of_a_preparation_is_that_of_another_run(
    copied: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    unseal(copied)
    for folder in runs(copied, "retrieval"):
        (folder / "spec.json").write_text('{"fills": "x"}')
    refused(copied, capsys, folder.name, "spec.json is damaged: it is of another run")


def test_a_result_whose_digest_was_taken_away_is_no_number(
    copied: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = next(runs(copied, "retrieval"))
    change(folder / "result.json", lambda record: record.pop("digest"))
    refused(copied, capsys, folder.name, "result.json is damaged: its digest is missing")


def test_what_was_made_from_another_result_is_no_number(
    copied: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    """The upstream run was made again without what rests on it: its own record is sound."""
    folder = next(runs(copied, "retrieval"))
    (upstream,) = json.loads((folder / "spec.json").read_text())["upstream"].values()
    path = copied.home.runs / upstream / "result.json"

    def another_result(record: dict[str, Any]) -> None:
        record["seconds"] += 1.0
        record["digest"] = records.digest(record)

    change(path, another_result)
    assert copied.home.run(upstream).damage() is None
    why = f"result.json is damaged: it was made from another result of {upstream}"
    refused(copied, capsys, folder.name, why)
    assert copied.run("--force", folder.name, "--yes") == 0


def test_what_rests_on_a_damaged_result_is_kept_but_nothing_new_is_made_from_it(
    copied: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = next(runs(copied, "retrieval"))
    (upstream,) = json.loads((folder / "spec.json").read_text())["upstream"].values()
    (copied.home.runs / upstream / "result.json").write_text("{}")
    code, _, table = collect(copied, capsys)
    assert code == 4
    assert "(damaged)" not in table  # the number itself was made before
    shutil.rmtree(folder)
    capsys.readouterr()
    assert copied.run("--yes") == 4
    assert f"blocked: {folder.name}: after {upstream}" in capsys.readouterr().err
    assert not folder.exists()
    assert copied.run("--status") == 0
    lines = {line.split()[0]: line.split() for line in capsys.readouterr().out.splitlines()}
    assert lines[upstream][1:4] == ["damaged", "result.json", "is"]
    assert lines[folder.name][1:] == ["blocked", "after", upstream]
    assert copied.run("--force", upstream, "--yes") == 0


def test_a_table_with_a_damaged_run_behind_it_is_not_published(copied: Checkout) -> None:
    (next(runs(copied, "features")) / "result.json").write_text("{}")
    argv = ["--table", "II", "--scale", "smoke", "--cluster", "inline", "--collect"]
    argv += ["--home", str(copied.home.root)]
    assert run.main(argv, stages=fake_stages, folder=copied.folder) == 4
    assert not (copied.folder / "tables" / "smoke").exists()


def test_a_damaged_result_of_other_code_does_not_stand_in(
    copied: Checkout, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fake_stages, "code_modules", lambda resolved: ["iicl.losses"])
    code, _, table = collect(copied, capsys)
    assert code == 3
    assert table.count("(stale)") == 2
    for folder in runs(copied, "retrieval"):
        (folder / "result.json").write_text("{}")
    code, words, table = collect(copied, capsys)
    assert code == 3
    assert "(stale)" not in table
    assert table.count("(incomplete)") == 2
    for folder in runs(copied, "retrieval"):
        line = f"of other code, does not stand in: {folder.name}: result.json is damaged: "
        assert any(text.startswith(line) for text in words.splitlines())


def unseal(checkout: Checkout) -> None:
    """As if all had been made before results carried a digest."""
    for folder in checkout.home.runs.iterdir():
        change(folder / "spec.json", lambda record: record.pop("run"))
        for key in ("run", "upstream", "beside", "digest"):
            change(folder / "result.json", lambda record, key=key: record.pop(key))  # type: ignore[misc]


def test_results_from_before_the_seals_stay_and_are_counted_once(
    copied: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    code, words, sealed = collect(copied, capsys)
    assert code == 0
    unseal(copied)
    code, words, table = collect(copied, capsys)
    assert code == 0
    assert "damaged" not in words
    (line,) = set(table.splitlines()) - set(sealed.splitlines())
    assert line.startswith("- 14 of 14 results carry no digest: they were made before")
    assert set(sealed.splitlines()) < set(table.splitlines())


def test_a_whole_number_that_might_be_a_fraction_is_sound(tmp_path: Path) -> None:
    home = Home(tmp_path)
    assert home.claim("r", {**SPEC, "flops": 0})
    home.run("r").begin_attempt(PROVENANCE)
    home.run("r").finish({"metrics": {"a": 1, "b": 0}, "seconds": 2})
    assert home.run("r").damage() is None
    assert home.claim("s", SPEC)
    home.run("s").finish(RESULT, {"r": str(home.run("r").seal())})
    assert home.run("s").damage() is None
    home.run("r").fail("killed when it was done")
    assert home.run("r").damage() is None


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        ({}, None),
        ({"standard_error": None, "standard_error_items": None, "num_groups": 1}, None),
        ({"standard_error": -0.1}, "item_errors.a.standard_error"),
        ({"num_groups": 2.5}, "item_errors.a.num_groups"),
        ({"standard_error": "0.1"}, "item_errors.a.standard_error"),
    ],
)
def test_errors_over_test_items_are_checked(
    tmp_path: Path, error: dict[str, object], fault: str | None
) -> None:
    whole = {"num_items": 9, "num_groups": 3, "standard_error": 0.1, "standard_error_items": 0.05}
    home = Home(tmp_path)
    assert home.claim("r", SPEC)
    home.run("r").begin_attempt(PROVENANCE)
    result = {**RESULT, "item_errors": {"a": whole | error}}
    if fault is None:
        home.run("r").finish(result)
        assert home.run("r").damage() is None
        return
    with pytest.raises(ValueError, match=f"no valid result: {fault} is"):
        home.run("r").finish(result)


def test_a_digest_is_the_same_after_writing_and_reading() -> None:
    result = {**RESULT, "losses": {1: 0.1 + 0.2, "b": (1, 2.0)}, "count": 1.0}
    stored = records.seal(result, "r", {}, {})
    assert records.digest(json.loads(json.dumps(stored))) == stored["digest"]
    with pytest.raises(ValueError, match="not JSON compliant"):
        records.seal({**RESULT, "losses": {"a": float("nan")}}, "r", {}, {})
