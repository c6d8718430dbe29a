"""Fine-tuning takes the encoder that the method of the pretraining says, whole."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from iicl import methods
from iicl.config import PretrainLength
from iicl.pretraining import Pretrain, pretrain_phases
from iicl.protocols import Finetune
from iicl.training import finetune, pretrain
from iicl.training.weights import load_weights
from iicl.work import work
from tests.iicl.context import context

SETTINGS = '''"""A control whose encoder has its own size."""

from typing import Literal

from iicl.encoders.r2plus1d.settings import Settings as R2Plus1D
from iicl.methods.settings import MethodSettings
from iicl.samples import VIDEO


class Settings(MethodSettings):
    name: Literal["narrow"] = "narrow"

    def samples(self, phase):
        return (VIDEO,)

    def encoder(self, view, encoders):
        return R2Plus1D(width=3, depth=1)
'''
METHOD = '''"""The control, with its encoder frozen."""

from iicl import encoders
from iicl.methods.base import Method


class Narrow(Method):
    samples = ("video",)

    def __init__(self, settings, sizes, facts):
        super().__init__()
        network = encoders.build(settings.encoder("video", sizes), facts)
        self.video_encoder = network.requires_grad_(False)

    def encode(self, batch):
        return {"video": self.video_encoder(batch["video"])}

    def loss(self, features):
        raise NotImplementedError


def build(settings, phase, sizes, facts):
    return Narrow(settings, sizes, facts)
'''


@pytest.fixture
def narrow(tmp_path: Path, settings: dict) -> Iterator[Pretrain]:
    """A pretraining of no epoch by a method with an encoder of its own size."""
    folder = tmp_path / "methods" / "narrow"
    folder.mkdir(parents=True)
    for name, text in (("__init__", ""), ("settings", SETTINGS), ("method", METHOD)):
        (folder / f"{name}.py").write_text(text)
    methods.__path__.append(str(folder.parent))
    importlib.invalidate_caches()
    length = PretrainLength(initialisation=0, co_training=0)
    (phase,) = pretrain_phases(length, **{**settings, "method": {"name": "narrow"}})
    yield phase
    methods.__path__.remove(str(folder.parent))
    methods.settings_class.cache_clear()
    for module in ("", ".settings", ".method"):
        sys.modules.pop(f"iicl.methods.narrow{module}", None)


def test_a_methods_own_encoder_is_tuned(
    narrow: Pretrain, settings: dict, corpora: dict[str, Path], tmp_path: Path
) -> None:
    assert narrow.encoder_names() == ("r2plus1d",)
    encoder, out = tmp_path / "encoder", tmp_path / "out"
    for folder in (encoder, out):
        folder.mkdir()
    pretrain.run(narrow, context(encoder, corpora=corpora, upstream={}))
    common = {name: settings[name] for name in ("clip", "precision", "seed")}
    recipe = Finetune(
        corpus="ucf101", epochs=1, clips_per_item=1, batch_size=8, num_clips=1, **common
    )
    finetune.run(recipe, context(out, corpora=corpora, upstream={"encoder": encoder}))
    before, after = load_weights(encoder), load_weights(out)
    assert after["classifier.weight"].shape[1] == 8 * 3
    stem = "video_encoder.stem.0.weight"
    assert after[stem].shape == before[stem].shape
    assert not torch.equal(after[stem], before[stem])


def test_an_encoder_that_only_its_method_builds_is_refused_when_planned(
    narrow: Pretrain, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("iicl.encoders.r2plus1d.settings.Settings.NAME", None)
    message = "video encoder of narrow is its own; fine-tuning takes one of: .*r2plus1d, "
    with pytest.raises(ValueError, match=message):
        work(Finetune(corpus="ucf101", seed=0), {}, narrow)
    assert narrow.encoder_names() == ()
