"""What a run has when a scale, a table's defaults, a row and a protocol speak of one setting."""

import importlib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from fake_checkout import SMALL_TABLE, Checkout
from small_plans import of_row, plan

from benchmarks import stages
from benchmarks.spec.table import overlay
from iicl import encoders
from iicl.methods.settings import MethodSettings
from iicl.methods.supervised.settings import Settings as Supervised
from iicl.samples import VIDEO

DESK_CLIP = {"num_frames": 8, "fps": 8.0, "size": 32}


def with_row(settings: str) -> str:
    return SMALL_TABLE.replace("pretrain: {clusters: 100}", settings)


def test_mappings_merge_key_by_key_and_lists_do_not() -> None:
    base = {"a": {"x": 1, "y": {"u": 1, "v": 2}}, "b": [1, 2], "c": 1}
    over = {"a": {"y": {"v": 3}}, "b": [3], "d": {"z": 1}}
    assert overlay(base, over) == {
        "a": {"x": 1, "y": {"u": 1, "v": 3}},
        "b": [3],
        "c": 1,
        "d": {"z": 1},
    }
    assert base["a"] == {"x": 1, "y": {"u": 1, "v": 2}}


@pytest.mark.parametrize(
    ("row", "field", "wanted"),
    [
        ("optimisation: {chunk_size: 8}", "optimisation", {"chunk_size": 8, "batch_size": 32}),
        ("encoders: {video_depth: 2}", "encoders", {"video_depth": 2, "video_width": 16}),
        (
            "augmentation: {volume: 0.5}",
            "augmentation",
            {"volume": 0.5, "crop_fraction": [1.0, 1.0], "flip_probability": 0.0},
        ),
    ],
)
def test_a_row_changes_what_it_names_and_the_scale_keeps_the_rest(
    tmp_path: Path, row: str, field: str, wanted: Mapping[str, object]
) -> None:
    stages = of_row(plan(tmp_path, with_row(f"pretrain: {{{row}}}")), "b")
    assert stages["pretrain"][field].items() >= wanted.items()


OTHER_ENCODER = """\
from typing import ClassVar
from iicl.encoders.r2plus1d.settings import Settings as R2Plus1D

class Settings(R2Plus1D):
    NAME: ClassVar[str] = "other"
"""


@pytest.fixture
def other_encoder(tmp_path: Path) -> Iterator[None]:
    """An encoder named "other" that takes frames and has the sizes of the default one."""
    folder = tmp_path / "encoders" / "other"
    folder.mkdir(parents=True)
    (folder / "__init__.py").touch()
    (folder / "settings.py").write_text(OTHER_ENCODER)
    encoders.__path__.append(str(folder.parent))
    importlib.invalidate_caches()
    yield
    encoders.__path__.remove(str(folder.parent))
    encoders.settings_class.cache_clear()
    for module in ("", ".settings"):
        sys.modules.pop(f"iicl.encoders.other{module}", None)


@pytest.mark.parametrize(
    ("named", "wanted"),
    [
        ("{video: other, audio_width: 64}", {"video": "other", "video_width": 64}),
        ("{video: other, video_width: 16}", {"video_width": 16, "video_depth": 2}),
        ("{video: r2plus1d}", {"video_width": 16, "video_depth": 1}),  # the default by its name
    ],
)
@pytest.mark.usefixtures("other_encoder")
def test_the_scales_sizes_of_an_encoder_do_not_hold_for_another_one(
    tmp_path: Path, named: str, wanted: Mapping[str, object]
) -> None:
    stages = of_row(plan(tmp_path, with_row(f"pretrain: {{encoders: {named}}}")), "b")
    sizes = stages["pretrain"]["encoders"]
    assert sizes.items() >= {**wanted, "audio_depth": 1}.items()
    assert ("video" in sizes) == (sizes.get("video") == "other")


def test_the_length_of_one_phase_leaves_the_other_to_the_scale(tmp_path: Path) -> None:
    made = plan(tmp_path, with_row("pretrain: {length: {initialisation: 9}}"))
    own = [r for r in made.runs.values() if r.stage == "pretrain" and r.resolved["epochs"] == 9]
    assert [run.resolved["phase"] for run in own] == ["initialisation"]
    assert of_row(made, "b")["pretrain"]["epochs"] == 1


def test_a_rows_settings_go_over_those_of_the_tables_defaults(tmp_path: Path) -> None:
    text = with_row("pretrain: {optimisation: {chunk_size: 8}}").replace(
        "corpus: audioset, cl", "corpus: audioset, optimisation: {learning_rate: 0.5}, cl"
    )
    optimisation = of_row(plan(tmp_path, text), "b")["pretrain"]["optimisation"]
    wanted = {"batch_size": 32, "chunk_size": 8, "learning_rate": 0.5}
    assert optimisation.items() >= wanted.items()


def test_a_rows_clip_is_that_of_all_its_stages_and_of_no_other_row(tmp_path: Path) -> None:
    made = plan(tmp_path, with_row("clip: {num_frames: 16}"))
    for row, num_frames in (("a", 8), ("b", 16)):
        stages = of_row(made, row)
        for stage in ("pretrain", "features"):
            wanted = {**DESK_CLIP, "num_frames": num_frames}
            assert stages[stage]["clip"].items() >= wanted.items()


def test_a_protocol_may_ask_for_another_clip(tmp_path: Path) -> None:
    text = SMALL_TABLE.replace("fold: 1}", "fold: 1, features: {clip: {num_frames: 32}}}")
    stages = of_row(plan(tmp_path, text), "a")
    assert stages["features"]["clip"].items() >= {**DESK_CLIP, "num_frames": 32}.items()
    assert stages["pretrain"]["clip"].items() >= DESK_CLIP.items()


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("{clusters: 100}", "{clip: {size: 64}}", 13, "clip is a key of the row"),
        ("corpus: audioset", "corpus: audioset, clip: {size: 64}", 6, "clip is a key of the row"),
        (
            "pretrain: {clusters: 100}",
            "clip: {frames: 9}",
            13,
            "clip.frames is 9: unknown setting",
        ),
        (
            "{clusters: 100}",
            "{encoders: {video: resnet}}",
            13,
            "encoders.video is 'resnet': the encoder resnet takes 'spectrogram', the view video"
            " gives 'frames'; legal: mc3, r2plus1d, r2plus1d_avid, r3d, s3d, s3dg$",
        ),
        (
            "{clusters: 100}",
            "{optimisation: {batch_size: 1}}",
            13,
            "optimisation.batch_size is 1: Input should be greater",
        ),
        ("{clusters: 100}", "{length: {epochs: 8}}", 13, "length.epochs is 8: unknown setting"),
        (
            "{clusters: 100}",
            "{encoders: {video_width: 8}}",
            13,
            r"the encoders must give features of one dimension, got 64 \(video\) and 128 \(audio\)",
        ),
        ("{clusters: 100}", "{encoders: 8}", 13, "encoders is 8: keys with values are expected"),
        ("{clusters: 100}", "{length: 8}", 13, "length is 8: keys with values are expected"),
    ],
)
def test_a_wrong_setting_is_named_where_it_stands(
    tmp_path: Path, old: str, new: str, line: int, message: str
) -> None:
    with pytest.raises(ValueError, match=rf"table2.yaml:{line}: .*{message}"):
        plan(tmp_path, SMALL_TABLE.replace(old, new))


def test_pairs_that_cannot_be_shuffled_are_named_where_they_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = with_row("pretrain: {method: supervised, modalities: video, pairing: shuffled}")
    plan(tmp_path, text)  # without sound, the method says that the pairing changes nothing
    monkeypatch.setattr(Supervised, "phases", MethodSettings.phases)
    stages._resolve_in.cache_clear()  # of the method as it was
    message = r"table2.yaml:13: pairing is 'shuffled': .* need samples of two views, .*got video"
    with pytest.raises(ValueError, match=message):
        plan(tmp_path, text)


def test_samples_that_do_not_go_together_are_named_where_the_method_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Supervised, "samples", lambda self, phase: (VIDEO, VIDEO))
    message = r"table2.yaml:13: method is 'supervised': two samples have the name 'video'"
    with pytest.raises(ValueError, match=message):
        plan(tmp_path, with_row("pretrain: {method: supervised}"))


def test_a_row_whose_method_lacks_the_encoder_is_named_where_it_stands(tmp_path: Path) -> None:
    text = with_row("pretrain: {method: mfcc}")
    message = r"table2.yaml:13: \w+: mfcc trains no video encoder; it has: audio"
    with pytest.raises(ValueError, match=message):
        plan(tmp_path, text)


def test_a_scales_wrong_setting_is_not_blamed_on_the_row(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    table = checkout.folder / "tables" / "table2.yaml"
    table.write_text(with_row("pretrain: {length: {co_training: 3}}"))
    scale = checkout.folder / "benchmarks" / "scales" / "smoke.yaml"
    scale.write_text(scale.read_text().replace("initialisation: 5", "initialization: 5"))
    assert checkout.run("--dry-run") == 2
    error = capsys.readouterr().err
    message = "length.initialization is 5: unknown setting; legal: initialisation, co_training"
    assert error == f"error: {scale}:10: {message}\n"
