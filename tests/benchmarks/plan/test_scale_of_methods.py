"""What a scale says of single methods and encoders: over what it holds, and what it refuses."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from fake_checkout import SMALL_TABLE
from small_plans import DESK, of_row, plan

from benchmarks.plan.graph import Plan

SUPERVISED = SMALL_TABLE.replace("pretrain: {clusters: 100}", "pretrain: {method: supervised}")


def at_scale(folder: Path, added: str, table: str = SUPERVISED) -> Plan:
    """A table at the desk scale without its methods, with something added."""
    without_methods, _, _ = DESK.read_text().partition("\nmethods:\n")
    scale = folder / "desk.yaml"
    scale.write_text(f"{without_methods}\n{added}\n")
    return plan(folder, table, scale)


def pretraining(plan: Plan, row: str) -> Mapping[str, Any]:
    return of_row(plan, row)["pretrain"]


METHODS = """\
methods:
  supervised:
    says: [It is shorter.]
    settings:
      modalities: video
      length: {initialisation: 2}
      optimisation: {learning_rate: 0.25}
      augmentation: {volume: 0.5}
"""


def test_a_scales_settings_of_a_method_go_over_those_of_its_corpus_and_under_the_rows(
    tmp_path: Path,
) -> None:
    table = SUPERVISED.replace("method: supervised", "method: supervised, corpus: ucf101")
    resolved = pretraining(at_scale(tmp_path, METHODS, table), "b")
    assert resolved["method"] == {"name": "supervised", "modalities": "video"}
    assert resolved["epochs"] == 2 + 5  # co_training is that of ucf101
    assert resolved["optimisation"].items() >= {"learning_rate": 0.25, "batch_size": 32}.items()
    assert resolved["augmentation"].items() >= {"volume": 0.5, "flip_probability": 0.5}.items()
    over = "method: supervised, modalities: both, length: {co_training: 1}"
    other = table.replace("method: supervised", over)
    resolved = pretraining(at_scale(tmp_path, METHODS, other), "b")
    assert (resolved["method"]["modalities"], resolved["epochs"]) == ("both", 2 + 1)


def test_a_scales_settings_of_a_method_hold_for_no_other(tmp_path: Path) -> None:
    (tmp_path / "without").mkdir()
    with_methods, without = at_scale(tmp_path, METHODS), at_scale(tmp_path / "without", "")
    assert pretraining(with_methods, "a") == pretraining(without, "a")
    assert pretraining(with_methods, "b") != pretraining(without, "b")


@pytest.mark.parametrize(
    ("added", "line", "message"),
    [
        ("methods: {gdtt: {says: [x], settings: {a: 1}}}", 1, "no method named 'gdtt'; legal: "),
        (METHODS.replace("modalities", "modality"), 5, "unknown setting; legal: name, modalities"),
        (METHODS.replace("learning_rate", "rate"), 7, "unknown setting; legal: batch_size"),
        (METHODS.replace("modalities: video", "clip: {}"), 5, "clip holds for all stages alike"),
        (METHODS.replace("modalities: video", "corpus: a"), 5, "corpus is what a table asks for"),
        ("methods: {supervised: {says: [x], settings: {}}}", 1, "at least 1 item"),
        (
            "methods: {supervised: {settings: {modalities: video}}}",
            1,
            "methods.supervised.says is missing",
        ),
    ],
)
def test_an_unknown_method_or_setting_is_an_error_at_its_line(
    tmp_path: Path, added: str, line: int, message: str
) -> None:
    with pytest.raises(ValueError, match="desk") as error:
        at_scale(tmp_path, added)
    head = (tmp_path / "desk.yaml").read_text().partition(added)[0].count("\n")
    assert str(error.value).startswith(f"{tmp_path / 'desk.yaml'}:{head + line}: ")
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("resnet:", "resnett:", "no encoder named 'resnett'; legal: "),
        ("resnet: {width", "resnet: {widht", "widht is 16: unknown setting; legal: width, depth"),
        ("resnet: {width: 16", "resnet: {width: 0", "width is 0: Input should be greater than"),
    ],
)
def test_an_unknown_encoder_or_size_is_an_error_at_its_line(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    text = DESK.read_text()
    assert text.count(f"  {old}") == 1
    scale = tmp_path / "desk.yaml"
    scale.write_text(text.replace(f"  {old}", f"  {new}"))
    line = 1 + text[: text.index(f"  {old}")].count("\n")
    with pytest.raises(ValueError, match=f"desk.yaml:{line}: .*{message}"):
        plan(tmp_path, SMALL_TABLE, scale)


def test_the_epochs_of_a_row_are_divided_in_each_phase(tmp_path: Path) -> None:
    text = SMALL_TABLE.replace("label: B", "label: B, epochs_divided_by: 2")
    made = plan(tmp_path, text)
    epochs = [
        (run.resolved["phase"], run.resolved["epochs"])
        for run in made.runs.values()
        if run.stage == "pretrain"
    ]
    # Of row A 5 and 1; of row B 3 and 1, as half an epoch is one.
    assert sorted(epochs) == [
        ("co_training", 1),
        ("co_training", 1),
        ("initialisation", 3),
        ("initialisation", 5),
    ]


def test_a_tables_clip_is_that_of_all_its_rows_under_their_own(tmp_path: Path) -> None:
    text = SMALL_TABLE.replace("clusters: 400}\n", "clusters: 400}\n  clip: {audio_seconds: 1.0}\n")
    made = plan(tmp_path, text.replace("label: B", "label: B, clip: {num_frames: 16}"))
    for row, num_frames in (("a", 8), ("b", 16)):
        for stage in ("pretrain", "features"):
            clip = of_row(made, row)[stage]["clip"]
            assert (clip["audio_seconds"], clip["num_frames"]) == (1.0, num_frames)
    wrong = text.replace("{audio_seconds: 1.0}", "{audio_second: 1.0}")
    with pytest.raises(ValueError, match=r"table2.yaml:7: clip.audio_second is 1.0: unknown"):
        plan(tmp_path, wrong)
    same = text.replace("label: B", "label: B, clip: {audio_seconds: 1.0}")
    with pytest.raises(ValueError, match=r"table2.yaml:14: audio_seconds: 1.0 overrides nothing"):
        plan(tmp_path, same)
