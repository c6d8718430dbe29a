"""Eq. 1 against loops, and the leak control: what may be learned from independent noise."""

import math

import pytest
import torch
from torch import Tensor, nn

from iicl.methods.iicl.method import IICL
from iicl.methods.iicl.settings import Settings as IICLSettings
from iicl.models.coattention import CoAttention


def slow_attention(query: Tensor, stream: Tensor) -> Tensor:
    """Eq. 1, one scalar at a time: softmax(Q K^T / sqrt(d)) V with K = V = stream."""
    d = query.shape[1]
    rows = []
    for q in query:
        scores = [sum(q[k] * key[k] for k in range(d)) / math.sqrt(d) for key in stream]
        weights = [s.exp() for s in scores]
        total = sum(weights)
        rows.append(sum(w / total * value for w, value in zip(weights, stream, strict=True)))
    return torch.stack(rows)


def normal(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_batch_form_is_equation_1() -> None:
    v, a = normal(5, 4, seed=0), normal(5, 4, seed=1)
    h_v, h_a = CoAttention(4)(v, a)
    torch.testing.assert_close(h_v, slow_attention(a, v))
    torch.testing.assert_close(h_a, slow_attention(v, a))


def test_token_form_attends_within_each_item() -> None:
    v, a = normal(3, 5, 4, seed=0), normal(3, 2, 4, seed=1)
    h_v, h_a = CoAttention(4, form="token")(v, a)
    for i in range(3):
        torch.testing.assert_close(h_v[i], slow_attention(a[i], v[i]).mean(0))
        torch.testing.assert_close(h_a[i], slow_attention(v[i], a[i]).mean(0))


def test_second_layer_takes_both_streams_of_the_first() -> None:
    v, a = normal(5, 4, seed=0), normal(5, 4, seed=1)
    v1, a1 = slow_attention(a, v), slow_attention(v, a)
    h_v, h_a = CoAttention(4, depth=2)(v, a)
    torch.testing.assert_close(h_v, slow_attention(a1, v1))
    torch.testing.assert_close(h_a, slow_attention(v1, a1))
    assert CoAttention(4, form="token", depth=3)(v[:, None], a[:, None])[0].shape == (5, 4)


def test_options() -> None:
    v, a = normal(5, 4, seed=0), normal(5, 4, seed=1)
    h_v, h_a = CoAttention(4, residual="query")(v, a)
    torch.testing.assert_close(h_v, a + slow_attention(a, v))
    torch.testing.assert_close(h_a, v + slow_attention(v, a))

    def layer_norm(x: Tensor) -> Tensor:
        centred = x - x.mean(1, keepdim=True)
        return centred / (centred.square().mean(1, keepdim=True) + 1e-5).sqrt()

    h_v, _ = CoAttention(4, norm="layer")(v, a)
    torch.testing.assert_close(h_v, slow_attention(layer_norm(a), layer_norm(v)))

    projected = CoAttention(4, projections=True).double()
    layer = projected.layers[0]["first"]
    q, k, value = a @ layer.query.weight.T, v @ layer.key.weight.T, v @ layer.value.weight.T
    expected = (q @ k.T / 2).softmax(1) @ value
    torch.testing.assert_close(projected(v, a)[0], expected)

    fed = CoAttention(4, feed_forward=True).double()
    attended = slow_attention(a, v)
    torch.testing.assert_close(
        fed(v, a)[0], attended + fed.layers[0]["first"].feed_forward(attended)
    )


def test_literal_form_has_no_parameters() -> None:
    assert not list(CoAttention(8, depth=2).parameters())


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("residual", ["none", "query"])
@pytest.mark.parametrize("norm", ["none", "layer"])
@pytest.mark.parametrize("learned", [False, True])
def test_batch_form_never_holds_both_of_a_pair(
    depth: int, residual: str, norm: str, learned: bool
) -> None:
    """Dealing the videos to other audios moves the rows of one output and leaves the other."""
    torch.manual_seed(0)
    module = CoAttention(
        4, depth=depth, residual=residual, norm=norm, projections=learned, feed_forward=learned
    ).double()
    v, a = normal(6, 4, seed=0), normal(6, 4, seed=1)
    order = torch.tensor([3, 0, 5, 1, 2, 4])
    h_v, h_a = module(v, a)
    dealt_v, dealt_a = module(v[order], a)
    follows_a, follows_v = ((dealt_v, h_v), (dealt_a, h_a))[:: 1 if depth % 2 else -1]
    torch.testing.assert_close(*follows_a)
    torch.testing.assert_close(follows_v[0], follows_v[1][order])


class NoiseEncoder(nn.Module):
    """Tokens of independent noise, each through one learned map."""

    feature_dim = 16

    def __init__(self) -> None:
        super().__init__()
        self.map = nn.Linear(16, 16)

    def tokens(self, x: Tensor) -> Tensor:
        return self.map(x)

    def forward(self, x: Tensor) -> Tensor:
        return self.tokens(x).mean(1)


def loss_on_noise(co_attention: str, steps: int = 400, n: int = 32) -> float:
    """Mean L_v_ins of the last 100 steps of training on fresh noise: v and a share nothing."""
    torch.manual_seed(0)
    settings = IICLSettings(objective="instance", co_attention=co_attention, instance_dim=16)
    method = IICL(settings, "training", NoiseEncoder(), NoiseEncoder())
    optimiser = torch.optim.Adam(method.parameters(), lr=3e-3)
    losses = []
    for _ in range(steps):
        views = {"video": torch.randn(n, 6, 16), "audio": torch.randn(n, 3, 16)}
        total, parts = method.loss(method.encode(views))
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
        losses.append(parts["instance_video"].item())
    return sum(losses[-100:]) / 100


@pytest.mark.parametrize("form", ["none", "batch"])
def test_leak_free_forms_learn_nothing_from_noise(form: str) -> None:
    assert loss_on_noise(form) > math.log(32) - 0.01


def test_token_form_leaks_the_pairing() -> None:
    assert loss_on_noise("token") < math.log(32) - 0.2
