"""The chunked step against the plain one, in float64: loss and every gradient."""

from collections.abc import Iterator, Mapping

import pytest
import torch
from torch import Tensor, nn

from iicl.encoders.choice import Encoders
from iicl.encoders.r2plus1d.network import R2Plus1D
from iicl.encoders.resnet.network import ResNet
from iicl.methods.base import Method
from iicl.methods.iicl.method import IICL
from iicl.methods.iicl.settings import Settings as IICLSettings
from iicl.methods.supervised.method import Supervised
from iicl.methods.supervised.settings import Settings as SupervisedSettings
from iicl.seeding import derive_seed
from iicl.training.large_batch import NonFiniteError, backward, check_finite
from tests.iicl.facts import facts

N = 8


class Tokens(nn.Module):
    """A convolutional encoder with optional batch norm and dropout."""

    feature_dim = 6

    def __init__(self, norm: bool, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(3, 5, 3),
            nn.BatchNorm1d(5, momentum=0.3) if norm else nn.Identity(),
            nn.Tanh(),
            nn.Dropout(dropout),
            nn.Conv1d(5, 6, 1),
        )
        self.calls = 0

    def tokens(self, x: Tensor) -> Tensor:
        self.calls += 1
        return self.layers(x).transpose(1, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.tokens(x).mean(1)


def make(norm: bool = False, dropout: float = 0.0, **settings: object) -> IICL:
    torch.manual_seed(0)
    whole = {"clusters": 5, "instance_dim": 7, "co_attention_projections": True, **settings}
    encoders = (Tokens(norm, dropout) for _ in range(2))
    return IICL(IICLSettings.model_validate(whole), "co_training", *encoders).double()


def views(n: int = N) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {
        view: torch.randn(n, 3, length, dtype=torch.float64, generator=generator)
        for view, length in (("video", 6), ("audio", 4))
    }


def gradients(method: Method) -> dict[str, Tensor]:
    return {n: p.grad for n, p in method.named_parameters() if p.grad is not None}


def chunks_of(batch: Mapping[str, Tensor], size: int) -> Iterator[dict[str, Tensor]]:
    for start in range(0, len(batch["video"]), size):
        yield {name: view[start : start + size] for name, view in batch.items()}


def reference(method: Method, batch: Mapping[str, Tensor], size: int) -> Tensor:
    """One graph over all chunks, held in memory at once; several are seeded by their numbers."""
    encoded = []
    chunks = [*chunks_of(batch, size)]
    if len(chunks) == 1:
        encoded.append(method.encode(batch))
    else:
        base = int(torch.randint(2**62, ()))
        for number, chunk in enumerate(chunks):
            with torch.random.fork_rng():
                torch.manual_seed(derive_seed(base, "chunk", number))
                encoded.append(method.encode(chunk))
    total, _ = method.loss({n: torch.cat([e[n] for e in encoded]) for n in encoded[0]})
    total.backward()
    return total.detach()


def assert_equal_steps(chunked: Method, plain: Method, losses: tuple[Tensor, Tensor]) -> None:
    torch.testing.assert_close(*losses, rtol=1e-10, atol=1e-10)
    expected, actual = gradients(plain), gradients(chunked)
    assert actual.keys() == expected.keys() == dict(plain.named_parameters()).keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(actual[name], gradient, rtol=1e-10, atol=1e-10, msg=name)


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


class Recorder(IICL):
    """Notes what ``encode`` and ``loss`` were given."""

    def encode(self, views: Mapping[str, Tensor]) -> dict[str, Tensor]:
        self.layout = views["video"].is_contiguous(memory_format=torch.channels_last_3d)
        self.encoding_autocast = torch.is_autocast_enabled("cpu")
        return super().encode(views)

    def loss(self, features: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        self.loss_autocast = torch.is_autocast_enabled("cpu")
        self.dtypes = {feature.dtype for feature in features.values()}
        return super().loss(features)


@pytest.mark.parametrize("size", [4, 8])
@pytest.mark.parametrize("co_attention", ["batch", "token"])
def test_bf16_encodes_in_autocast_and_takes_the_loss_in_float32(
    size: int, co_attention: str
) -> None:
    def small() -> Recorder:
        torch.manual_seed(0)
        settings = IICLSettings(clusters=5, instance_dim=7, co_attention=co_attention)
        return Recorder(settings, "co_training", R2Plus1D(4, 1), ResNet(4, 1))

    torch.manual_seed(1)
    batch = {"video": torch.randn(N, 3, 8, 16, 16), "audio": torch.randn(N, 1, 40, 32)}
    method, plain = small(), small()
    total, *_ = backward(method, batch, size, precision="bf16")
    assert method.encoding_autocast
    assert method.layout
    assert not method.loss_autocast
    assert method.dtypes == {torch.float32}

    encoded = []
    batch["video"] = batch["video"].contiguous(memory_format=torch.channels_last_3d)
    for chunk in chunks_of(batch, size):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            encoded.append(plain.encode(chunk))
    expected, _ = plain.loss({n: torch.cat([e[n] for e in encoded]).float() for n in encoded[0]})
    expected.backward()
    torch.testing.assert_close(total, expected.detach())
    for name, gradient in gradients(plain).items():
        torch.testing.assert_close(gradients(method)[name], gradient, rtol=1e-3, atol=1e-5)


def test_float32_uses_no_autocast() -> None:
    torch.manual_seed(0)
    settings = IICLSettings(clusters=5, instance_dim=7)
    method = Recorder(settings, "co_training", R2Plus1D(2, 1), ResNet(2, 1))
    batch = {"video": torch.randn(N, 3, 4, 16, 16), "audio": torch.randn(N, 1, 40, 32)}
    backward(method, batch, 4)
    assert not method.encoding_autocast
    assert not method.layout


@pytest.mark.parametrize("size", [3, 8])
def test_a_broken_value_is_named_before_any_gradient_is_added(size: int) -> None:
    method, batch = make(), views()
    batch["audio"][5, 0, 0] = torch.nan
    with pytest.raises(NonFiniteError, match="audio features") as caught:
        backward(method, batch, size)
    assert "audio features" in caught.value.names
    assert "video features" not in caught.value.names
    assert not gradients(method)

    broken_head = make()
    with torch.no_grad():
        broken_head.cluster_head["shared"][2].bias[1] = torch.nan
    with pytest.raises(NonFiniteError) as caught:
        backward(broken_head, views(), size)
    assert caught.value.names == ["cluster_video", "cluster_audio", "negative_entropy", "loss"]


def test_check_finite() -> None:
    check_finite({})
    check_finite({"a": torch.ones(3), "b": torch.tensor(0)})
    with pytest.raises(NonFiniteError, match="not finite: b, c"):
        check_finite(
            {
                "a": torch.ones(3),
                "b": torch.tensor([0.0, torch.nan]),
                "c": torch.tensor(-torch.inf, requires_grad=True),
            }
        )


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="chunk_size must be 1 or more, got 0"):
        backward(make(), views(), 0)
    with pytest.raises(ValueError, match=r"samples \['audio'\] are missing"):
        backward(make(), {"video": views()["video"]}, 4)
    with pytest.raises(ValueError, match="'audio': 7"):
        backward(make(), {**views(), "audio": views(7)["audio"]}, 4)


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
