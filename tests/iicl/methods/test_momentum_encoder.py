"""A momentum encoder: it follows the trained encoder, and only the training knows it."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor

from iicl.methods.base import Method
from iicl.training import checkpoint, pretrain
from iicl.training.large_batch import backward
from iicl.training.weights import load_weights
from tests.iicl.context import context
from tests.iicl.methods.every_method import batch_of, make
from tests.iicl.methods.examples.momentum_queue import MomentumQueue

pytestmark = pytest.mark.usefixtures("examples")


def parameters_of(method: Method, part: str) -> dict[str, Tensor]:
    return {n: p.detach().clone() for n, p in method.get_submodule(part).named_parameters()}


def test_the_optimiser_leaves_the_copy_to_after_step(
    phases: Callable,
    corpora: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It starts as the encoder, and then is 0.9 of itself and 0.1 of the encoder in each step."""
    (phase,) = phases("momentum_queue")
    wanted: dict[str, Tensor] = {}
    num_steps = 0
    move = MomentumQueue.after_step

    def after_step(method: MomentumQueue, step: int, features: Mapping[str, Tensor]) -> None:
        nonlocal num_steps
        before, trained = (parameters_of(method, f"{n}_encoder") for n in ("key", "video"))
        if step > 0:
            torch.testing.assert_close(before, wanted, rtol=0, atol=0)
        move(method, step, features)
        wanted.update({n: 0.9 * p + 0.1 * trained[n] for n, p in before.items()})
        torch.testing.assert_close(parameters_of(method, "key_encoder"), wanted)
        wanted.update(parameters_of(method, "key_encoder"))
        assert any((trained[n] != p).any() for n, p in wanted.items())
        num_steps += 1

    monkeypatch.setattr(MomentumQueue, "after_step", after_step)
    pretrain.run(phase, context(tmp_path, corpora=corpora, upstream={}))
    assert num_steps == 6
    _, saved = checkpoint.load_latest(tmp_path / "checkpoints")
    for name, value in wanted.items():
        assert torch.equal(saved["method"][f"key_encoder.{name}"], value)
    names = saved["optimiser"]["param_groups"][0]["param_names"]
    assert {name.partition(".")[0] for name in names} == {"video_encoder"}
    exported = load_weights(tmp_path)
    assert {name.partition(".")[0] for name in exported} == {"video_encoder"}


def test_evaluation_gets_the_trained_encoder() -> None:
    method = make("momentum_queue")
    assert method.encoder("video") is method.video_encoder
    with pytest.raises(ValueError, match=r"no key encoder; it has: video$"):
        method.encoder("key")


def test_the_copys_statistics_are_those_of_its_own_clips() -> None:
    """r <- 0.9 r + 0.1 s, where s are the statistics of the keys' clips and r is 0 at first."""
    method = make("momentum_queue").double()
    batch = batch_of(method.samples, 8, torch.float64)
    convolution, norm = method.key_encoder.stem[0], method.key_encoder.stem[1]
    with torch.no_grad():
        wanted = 0.1 * convolution(batch["video:key"]).mean((0, 2, 3, 4))
    backward(method, batch, 2)
    torch.testing.assert_close(norm.running_mean, wanted)
    assert norm.num_batches_tracked == 1
