"""The footprint of stages against hand arithmetic and real optimisers."""

from typing import Any

import pytest
import torch

from iicl.config import PretrainLength
from iicl.footprint import MOMENTS, StageFootprint, footprint
from iicl.pretraining import Pretrain, pretrain_phases
from iicl.protocols import Features, Finetune, Pretext, Retrieval
from tests.iicl.priced import Dear

COUNTS = {"all": 100, "1/train": 90, "1/train/with_sound": 50}
VIDEO, AUDIO = 31_300_125, 11_170_240  # parameters of the paper's encoders
G_INS, G_CLU = 512 * 513 + 1024 * 513, 512 * 513 + 400 * 513


def phases(method: Any, **settings: Any) -> list[Pretrain]:
    return pretrain_phases(PretrainLength(), method=method, corpus="x", seed=0, **settings)


def test_a_pretraining_leaves_weights_and_two_checkpoints_with_adams_moments() -> None:
    first, second = phases({"name": "iicl"})
    for phase, parameters in (
        (first, VIDEO + AUDIO + G_INS),
        (second, VIDEO + AUDIO + G_INS + G_CLU),
    ):
        assert footprint(phase, COUNTS, None) == StageFootprint(
            parameters=parameters,
            weight_bytes=4 * parameters,
            checkpoint_bytes=3 * 4 * parameters,
            checkpoint_seconds=60.0,
            disk_bytes=7 * 4 * parameters,
            gradient_bytes=8 * parameters,
            exchanged_bytes=4 * (512 + 512),
        )


def test_gradients_exchanged_in_float32_take_half_the_bytes() -> None:
    exact = footprint(phases({"name": "iicl"})[1], COUNTS, None)
    optimisation = {"gradient_exchange": "float32"}
    rounded = footprint(phases({"name": "iicl"}, optimisation=optimisation)[1], COUNTS, None)
    assert 2 * rounded.gradient_bytes == exact.gradient_bytes
    assert rounded.checkpoint_bytes == exact.checkpoint_bytes


def test_an_untrained_control_leaves_its_weights_twice() -> None:
    (phase,) = phases({"name": "random_init"})
    found = footprint(phase, COUNTS, None)
    assert found.parameters == VIDEO + AUDIO
    assert found.disk_bytes == 2 * 4 * (VIDEO + AUDIO)
    assert found.gradient_bytes == 0
    (phase,) = phases({"name": "mfcc"})
    assert footprint(phase, COUNTS, None).disk_bytes == 0


@pytest.mark.parametrize(("optimiser", "moments"), [("sgd", 1), ("adam", 2)])
def test_a_fine_tuning_trains_the_video_encoder(optimiser: str, moments: int) -> None:
    (pretrained,) = phases({"name": "random_init"})
    found = footprint(Finetune(corpus="x", seed=0, optimiser=optimiser), COUNTS, pretrained)
    assert found.parameters == VIDEO
    assert found.parameters_per_class == 513
    assert found.disk_bytes == 4 * VIDEO * (1 + 2 * (1 + moments))
    assert found.gradient_bytes == 8 * VIDEO
    assert found.exchanged_bytes == 4 * 512


def test_moments_are_those_of_the_optimisers() -> None:
    for name, make in (
        ("sgd", lambda p: torch.optim.SGD(p, momentum=0.9)),
        ("adam", lambda p: torch.optim.Adam(p)),
    ):
        parameter = torch.nn.Parameter(torch.ones(3))
        optimiser = make([parameter])
        parameter.sum().backward()
        optimiser.step()
        state = optimiser.state[parameter].values()
        assert MOMENTS[name] == sum(v.shape == (3,) for v in state if isinstance(v, torch.Tensor))


def test_an_extraction_leaves_a_feature_of_each_clip() -> None:
    stage = Features(corpus="x", seed=0, view="audio")
    assert footprint(stage, COUNTS, phases({"name": "iicl"})[1]).disk_bytes == 100 * 10 * 512 * 4
    (mfcc,) = phases({"name": "mfcc"})
    assert footprint(stage, COUNTS, mfcc).disk_bytes == 100 * 10 * 40 * 4  # means and deviations
    for measuring in (Retrieval, Pretext):
        stage = measuring(corpus="x", seed=0)
        assert footprint(stage, COUNTS, phases({"name": "iicl"})[1]) == StageFootprint()


def test_a_method_pays_for_heads_and_for_banks_of_the_items_it_reads() -> None:
    (phase,) = phases(Dear())
    found = footprint(phase, COUNTS, None)
    assert found.parameters == VIDEO + AUDIO + 1000  # two samples of the video share its encoder
    assert found.parameters_per_class == 10
    kept = 64 + 8 * COUNTS["1/train/with_sound"] + 4  # buffers, and a frozen parameter
    assert found.weight_bytes == 4 * found.parameters
    assert found.checkpoint_bytes == 3 * 4 * found.parameters + kept
    assert found.disk_bytes == 7 * 4 * found.parameters + 2 * kept
    assert found.exchanged_bytes == 4 * 512 * (2 + 3 + 2)
