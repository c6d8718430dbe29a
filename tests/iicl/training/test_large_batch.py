"""The chunked step against the plain one, in float64: loss and every gradient."""

from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from iicl.encoders.choice import Encoders
from iicl.encoders.r2plus1d.network import R2Plus1D
from iicl.encoders.resnet.network import ResNet
from iicl.methods.iicl.method import IICL
from iicl.methods.iicl.settings import Settings as IICLSettings
from iicl.methods.supervised.method import Supervised
from iicl.methods.supervised.settings import Settings as SupervisedSettings
from iicl.training.large_batch import backward
from tests.iicl.facts import facts
from tests.iicl.training.chunked_steps import (
    N,
    Tokens,
    assert_equal_steps,
    chunks_of,
    gradients,
    make,
    reference,
    views,
)


@pytest.mark.parametrize("size", [1, 3, 7, 8, 100])
@pytest.mark.parametrize(
    "settings", [{}, {"co_attention": "token"}, {"detach_keys": True}, {"heads": "separate"}]
)
def test_chunks_change_nothing_without_batch_norm(size: int, settings: dict[str, object]) -> None:
    chunked, plain = make(**settings), make(**settings)
    total, parts, _ = backward(chunked, views(), size)
    expected, expected_parts = plain.loss(plain.encode(views()))
    expected.backward()
    assert_equal_steps(chunked, plain, (total, expected.detach()))
    for name, part in expected_parts.items():
        torch.testing.assert_close(parts[name], part.detach(), rtol=1e-10, atol=1e-10)
        assert not parts[name].requires_grad


def test_gradients_are_added_to_those_already_there() -> None:
    method = make()
    backward(method, views(), 3)
    once = {name: gradient.clone() for name, gradient in gradients(method).items()}
    backward(method, views(), 3)
    for name, gradient in gradients(method).items():
        torch.testing.assert_close(gradient, 2 * once[name])


def test_all_chunks_but_the_last_are_encoded_twice() -> None:
    for size, calls in ((8, 1), (4, 3), (3, 5)):
        method = make()
        backward(method, views(), size)
        assert method.video_encoder.calls == calls


@pytest.mark.parametrize("size", [2, 3, 7, 8])
def test_batch_norm_and_dropout_are_per_chunk_and_replayed(size: int) -> None:
    chunked, plain = make(norm=True, dropout=0.4), make(norm=True, dropout=0.4)
    torch.manual_seed(5)
    total, *_ = backward(chunked, views(), size)
    after_chunked = torch.rand(3)
    torch.manual_seed(5)
    expected = reference(plain, views(), size)
    assert_equal_steps(chunked, plain, (total, expected))
    assert torch.equal(torch.rand(3), after_chunked)


class NoisyLoss(IICL):
    """A loss that draws random numbers too."""

    def loss(self, features: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        total, parts = super().loss(features)
        return total * torch.rand(()), parts


@pytest.mark.parametrize("size", [3, 8])
def test_random_numbers_of_the_loss_are_drawn_once(size: int) -> None:
    def noisy() -> NoisyLoss:
        torch.manual_seed(0)
        encoders = (Tokens(norm=False, dropout=0.4) for _ in range(2))
        return NoisyLoss(IICLSettings(clusters=5), "co_training", *encoders).double()

    chunked, plain = noisy(), noisy()
    torch.manual_seed(5)
    total, *_ = backward(chunked, views(), size)
    after_chunked = torch.rand(3)
    torch.manual_seed(5)
    expected = reference(plain, views(), size)
    assert_equal_steps(chunked, plain, (total, expected))
    assert torch.equal(torch.rand(3), after_chunked), "the generator must end where it should"


@pytest.mark.parametrize("size", [2, 3, 7, 8])
def test_running_statistics_move_once_by_the_mean_over_chunks(size: int) -> None:
    method = make(norm=True)
    conv, norm = method.video_encoder.layers[0], method.video_encoder.layers[1]
    with torch.no_grad():
        norm.running_mean.fill_(0.7)
        norm.running_var.fill_(2.0)
        norm.num_batches_tracked.fill_(11)
        inputs = [
            conv(chunk["video"]).transpose(0, 1).flatten(1) for chunk in chunks_of(views(), size)
        ]
        shares = [x.shape[1] / sum(x.shape[1] for x in inputs) for x in inputs]
        mean = sum(s * x.mean(1) for s, x in zip(shares, inputs, strict=True))
        variance = sum(s * x.var(1) for s, x in zip(shares, inputs, strict=True))
    backward(method, views(), size)
    torch.testing.assert_close(norm.running_mean, 0.7 * 0.7 + 0.3 * mean, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(norm.running_var, 0.7 * 2 + 0.3 * variance, rtol=1e-10, atol=1e-12)
    assert norm.num_batches_tracked == 12


def test_frozen_batch_norm_stays_as_it_is() -> None:
    method = make(norm=True)
    norm = method.video_encoder.layers[1].eval()
    before = {name: value.clone() for name, value in norm.named_buffers()}
    backward(method, views(), 3)
    assert all(torch.equal(before[name], value) for name, value in norm.named_buffers())


def test_the_real_encoders() -> None:
    def real() -> IICL:
        torch.manual_seed(0)
        settings = IICLSettings(clusters=5, instance_dim=7)
        return IICL(settings, "co_training", R2Plus1D(2, 1), ResNet(2, 1)).double()

    generator = torch.Generator().manual_seed(1)
    batch = {
        "video": torch.randn(N, 3, 4, 16, 16, dtype=torch.float64, generator=generator),
        "audio": torch.randn(N, 1, 40, 32, dtype=torch.float64, generator=generator),
    }
    chunked, plain = real(), real()
    losses = backward(chunked, batch, 3)[0], reference(plain, batch, 3)
    assert_equal_steps(chunked, plain, losses)


def test_labels_pass_through_without_gradient() -> None:
    def make_supervised() -> Supervised:
        torch.manual_seed(0)
        return Supervised(
            SupervisedSettings(modalities="video"), Encoders(video_width=2, video_depth=1), facts(3)
        ).double()

    batch = {
        "video": torch.randn(N, 3, 4, 16, 16, dtype=torch.float64),
        "label": torch.rand(N, 3, dtype=torch.float64).softmax(1),
    }
    chunked, plain = make_supervised(), make_supervised()
    losses = backward(chunked, batch, 3)[0], reference(plain, batch, 3)
    assert_equal_steps(chunked, plain, losses)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_generator_is_replayed() -> None:
    batch = {name: view.cuda() for name, view in views().items()}
    chunked, plain = (make(norm=True, dropout=0.4).cuda() for _ in range(2))
    torch.manual_seed(5)
    total, *_ = backward(chunked, batch, 3)
    after_chunked = torch.rand(3, device="cuda")
    torch.manual_seed(5)
    expected = reference(plain, batch, 3)
    assert_equal_steps(chunked, plain, (total, expected))
    assert torch.equal(torch.rand(3, device="cuda"), after_chunked)
