import json
import logging
import shutil
from pathlib import Path

import pytest
from damage import ODD, TEXTS, put

from benchmarks import stages
from iicl.data.synthetic.write import generate


@pytest.mark.parametrize(
    ("stage", "settings", "views"),
    [
        ("features", {"view": "video"}, {"video"}),
        ("features", {"view": "audio"}, {"audio", "video"}),  # it is at the time of the video
        ("pretrain", {"method": {"name": "mfcc"}}, {"audio", "video"}),
        ("pretrain", {"method": {"name": "supervised", "modalities": "video"}}, {"label", "video"}),
    ],
)
def test_the_code_of_a_run_holds_every_view_that_its_draws_depend_on(
    stage: str, settings: dict[str, object], views: set[str]
) -> None:
    *_, resolved = stages.resolve(stage, {"corpus": "ucf101", "seed": 0, **settings})
    modules = stages.code_modules(resolved)
    assert {f"iicl.views.{view}" for view in views} == {m for m in modules if ".views." in m}


def test_the_code_of_a_pretraining_holds_the_encoders_that_its_method_says() -> None:
    for method, names in (("mfcc", []), ("iicl", ["r2plus1d", "resnet"])):
        *_, resolved = stages.resolve(
            "pretrain", {"corpus": "ucf101", "seed": 0, "method": {"name": method}}
        )
        modules = stages.code_modules(resolved)
        wanted = [f"iicl.encoders.{name}.network" for name in names]
        assert [m for m in modules if ".encoders." in m] == wanted


@pytest.mark.parametrize("stage", sorted(stages.STAGES))
def test_runs_of_two_seeds_differ_in_their_seeds_alone(stage: str) -> None:
    settings: dict[str, object] = {"corpus": "ucf101"}
    if stage == "pretrain":
        settings["method"] = {"name": "iicl", "clusters": 5}
    by_seed = [stages.resolve(stage, {**settings, "seed": seed}) for seed in (3, 7, 3)]
    assert by_seed[0] == by_seed[2]
    for one, other in zip(*by_seed[:2], strict=True):
        assert list(one) == list(other)
        assert (one["seed"], other["seed"]) == (3, 7)
        assert {**one, "seed": 7} == other
        assert stages._adapter().validate_python(other).model_dump(mode="json") == other


@pytest.mark.parametrize("seed", [{}, {"seed": -1}, {"seed": "one"}, {"seed": None}])
def test_a_seed_that_is_none_is_refused(seed: dict[str, object]) -> None:
    stages.resolve("retrieval", {"corpus": "ucf101", "seed": 0})
    with pytest.raises(ValueError, match="seed"):
        stages.resolve("retrieval", {"corpus": "ucf101", **seed})


def test_a_run_is_carried_out_with_its_own_seed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    seeds: list[int] = []
    monkeypatch.setattr(
        "iicl.evaluation.retrieval.run", lambda stage, _: seeds.append(stage.seed) or {}
    )
    for seed in (0, 4):
        (resolved,) = stages.resolve("retrieval", {"corpus": "ucf101", "seed": seed})
        stages.metrics(resolved)
        stages.run(
            resolved, corpora={}, upstream={}, out=tmp_path, execution={}, report=lambda *_: None
        )
    assert seeds == [0, 4]


def test_class_folders_stand_in_for_a_corpus_and_its_own_parts_do_not(tmp_path: Path) -> None:
    for name in ("clips/a/x.mp4", "copy/videos/a/x.avi", "copy/annotations/list.txt"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    assert stages.reader("ucf101", tmp_path / "clips") == "folder"
    with pytest.raises(
        ValueError, match=r"none of UCF-101, .*'annotations' and 'videos' is part of"
    ):
        stages.reader("ucf101", tmp_path / "copy")


def test_the_parts_of_a_real_copy_make_the_corpus_that_prepare_makes(tmp_path: Path) -> None:
    source, out, whole = tmp_path / "source", tmp_path / "out", tmp_path / "whole"
    generate("ucf101", source, num_items=72, seed=1)
    preparation = {"short_side": 32, "max_fps": 8.0}
    *found, fingerprint = stages.survey("ucf101", source, preparation, out)
    assert found == [False, 2]
    totals = []
    for part in range(2):
        calls: list[tuple[int, int]] = []
        stages.prepare_part(
            "ucf101", source, preparation, out, part, 2, 1, lambda *c, calls=calls: calls.append(c)
        )
        done, total = calls[-1]
        assert done == total
        totals.append(total)
    assert totals == [64, 8]
    header = stages.assemble("ucf101", source, preparation, out)
    assert header == stages.corpus_header(out)
    assert header == stages.prepare(
        "ucf101", source, None, preparation, whole, 1, lambda done, total: None
    )
    assert stages.survey("ucf101", source, preparation, out) == (True, 2, fingerprint)


def test_a_copy_at_another_place_is_taken_over_from_the_corpus_of_the_first(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    generate("ucf101", first, num_items=48, seed=1)
    shutil.copytree(first, second, copy_function=shutil.copyfile)
    preparation = {"short_side": 32, "max_fps": 8.0}

    def prepare(source: Path, out: Path) -> str:
        stages.prepare("ucf101", source, None, preparation, out, 1, lambda done, total: None)
        return caplog.messages[-1]

    with caplog.at_level(logging.INFO, "iicl"):
        one, two = tmp_path / "ucf101-1", tmp_path / "ucf101-2"
        assert prepare(first, one) == f"{one}: 48 decoded, 0 taken over"
        assert prepare(second, two) == f"{two}: 0 decoded, 48 taken over"
        part = tmp_path / "ucf101-3"
        stages.prepare_part("ucf101", second, preparation, part, 0, 1, 1, lambda done, total: None)
        assert caplog.messages[-1] == f"{part}: 0 decoded, 48 taken over"


@pytest.mark.parametrize("kind", [*TEXTS, *(kind for kind in ODD if kind != "unreadable")])
def test_a_damaged_manifest_is_one_line(tmp_path: Path, kind: str) -> None:
    sound = {"hash": "a", "reader": "ucf101", "num_items": 1, "num_usable": 1, "counts": {}}
    path = tmp_path / "manifest.jsonl"
    path.write_text(json.dumps({"format": 1, **sound}) + "\n")
    assert stages.corpus_header(tmp_path) == {"format": 1, **sound}
    if kind == "huge":  # a manifest may be: its first line is read, and no more
        put(kind, path)
        assert stages.corpus_header(tmp_path) == {"format": 1, **sound}
        return
    put(kind, path)
    with pytest.raises(ValueError, match="jsonl is damaged: ") as raised:
        stages.corpus_header(tmp_path)
    assert len(str(raised.value).splitlines()) == 1


def test_a_first_line_without_end_is_not_read_into_memory(tmp_path: Path) -> None:
    with (tmp_path / "manifest.jsonl").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(ValueError, match="its first line has no end"):
        stages.corpus_header(tmp_path)


def test_a_run_keeps_freed_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    order: list[str] = []
    monkeypatch.setattr("iicl.memory.keep_freed_memory", lambda: order.append("memory"))
    monkeypatch.setattr("iicl.training.pretrain.run", lambda *_: order.append("stage") or {})
    settings = {"corpus": "ucf101", "seed": 0, "method": {"name": "random_init"}}
    *_, resolved = stages.resolve("pretrain", settings)
    stages.run(
        resolved, corpora={}, upstream={}, out=tmp_path, execution={}, report=lambda *_: None
    )
    assert order == ["memory", "stage"]
