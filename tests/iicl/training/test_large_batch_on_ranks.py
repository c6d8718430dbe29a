"""The step on several ranks against the step on one: the same batch, loss and every gradient."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

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
from iicl.training.distributed import Ranks, connect
from iicl.training.large_batch import NonFiniteError, backward, finite_means
from tests.iicl.facts import facts
from tests.iicl.training.ranks import on_ranks

SIZES = (2, 4)
# Batches of 6 and 4 chunks, one a rank or several, the last one smaller.
BATCHES = {"small chunks": (11, 2), "large chunks": (15, 4)}


class Encoder(nn.Module):
    """A convolution with batch norm and dropout."""

    feature_dim = 6

    def __init__(self, norm: bool, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(3, 5, 3),
            nn.BatchNorm1d(5, momentum=0.3) if norm else nn.Identity(),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Conv1d(5, 6, 1),
        )

    def tokens(self, x: Tensor) -> Tensor:
        return self.layers(x).transpose(1, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.tokens(x).mean(1)


class NoisyLoss(IICL):
    """A loss that draws random numbers, and a parameter that no loss sees."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.unused = nn.Parameter(torch.ones(3))

    def loss(self, features: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        total, parts = super().loss(features)
        return total * torch.rand(()), parts


def small(
    norm: bool = False, dropout: float = 0.0, kind: type[IICL] = IICL, **settings: object
) -> IICL:
    whole = {"clusters": 5, "instance_dim": 7, "co_attention_projections": True, **settings}
    encoders = (Encoder(norm, dropout) for _ in range(2))
    return kind(IICLSettings.model_validate(whole), "co_training", *encoders)


def supervised() -> Supervised:
    return Supervised(
        SupervisedSettings(modalities="video"), Encoders(video_width=2, video_depth=1), facts(3)
    )


def real() -> IICL:
    settings = IICLSettings(clusters=5, instance_dim=7)
    return IICL(settings, "co_training", R2Plus1D(2, 1), ResNet(2, 1))


METHODS: dict[str, Callable[[], Method]] = {
    "both losses, attention over the batch": small,
    "attention over tokens": partial(small, co_attention="token"),
    "own heads, keys without gradient": partial(small, heads="separate", detach_keys=True),
    "batch norm": partial(small, norm=True),
    "dropout": partial(small, dropout=0.4),
    "dropout, batch norm, random loss": partial(small, norm=True, dropout=0.4, kind=NoisyLoss),
    "labels": supervised,
    "real encoders": real,
}
LARGE = ("labels", "real encoders")


def views(method: str, num_items: int, dtype: torch.dtype) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    shapes = {"video": (3, 6), "audio": (3, 4)}
    if method in LARGE:
        shapes = {"video": (3, 4, 16, 16), "audio": (1, 40, 32), "label": (3,)}
    return {
        view: torch.randn(num_items, *shape, dtype=torch.float64, generator=generator).to(dtype)
        for view, shape in shapes.items()
    }


def step(method: str, batch: str, dtype: torch.dtype, ranks: Ranks) -> dict[str, Tensor]:
    """Everything that a step leaves: loss, gradients, statistics, the generator's next number."""
    num_items, chunk_size = BATCHES[batch]
    torch.manual_seed(0)
    made = METHODS[method]().to(dtype)
    own = ranks.share.of_batch(num_items, chunk_size)
    share = {n: v[own.start : own.stop] for n, v in views(method, num_items, dtype).items()}
    torch.manual_seed(5)
    total, parts, features = backward(made, share, chunk_size, ranks=ranks)
    return {
        "total": total,
        **{f"part {name}": part for name, part in parts.items()},
        **{f"feature {name}": feature for name, feature in features.items()},
        **{f"gradient {n}": p.grad for n, p in made.named_parameters() if p.grad is not None},
        **{f"statistic {name}": buffer.clone() for name, buffer in made.named_buffers()},
        "generator": torch.rand(3),
    }


CASES = [
    (method, batch, dtype)
    for method in METHODS
    for batch in (BATCHES if method not in LARGE else ("large chunks",))
    for dtype in (torch.float64, torch.float32)
]


@pytest.fixture(scope="module")
def steps() -> dict[int, list[list[dict[str, Tensor]]]]:
    """By number of ranks, of each rank: every case's step."""

    def all_cases() -> list[dict[str, Tensor]]:
        with connect("cpu") as ranks:
            return [step(*case, ranks) for case in CASES]

    return {size: on_ranks(size, all_cases) for size in (1, *SIZES)}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("case", range(len(CASES)), ids=lambda k: f"{CASES[k][:2]} {CASES[k][2]}")
def test_a_step_on_ranks_is_the_step_on_one(steps, size: int, case: int) -> None:
    (alone,) = steps[1]
    expected, dtype = alone[case], CASES[case][2]
    assert any(name.startswith("gradient") for name in expected)
    assert "gradient unused" not in expected
    for rank in steps[size]:
        assert rank[case].keys() == expected.keys()
        for name, value in rank[case].items():
            if dtype == torch.float32:
                assert torch.equal(value, expected[name]), name
            else:
                torch.testing.assert_close(value, expected[name], rtol=1e-10, atol=1e-10, msg=name)


@pytest.mark.parametrize("case", range(len(CASES)))
def test_all_ranks_have_the_same_bits(steps, case: int) -> None:
    for size in SIZES:
        first, *others = (rank[case] for rank in steps[size])
        for other in others:
            assert all(torch.equal(other[name], value) for name, value in first.items())


def test_steps_are_not_all_the_same(steps) -> None:
    """What was compared differs between cases, so that equality says something."""
    (alone,) = steps[1]
    totals = {float(case["total"]) for case in alone}
    assert len(totals) == len(CASES)


def test_gradients_are_added_to_those_already_there_on_every_rank() -> None:
    def twice() -> tuple[Tensor, Tensor]:
        with connect("cpu") as ranks:
            torch.manual_seed(0)
            method = small()
            own = ranks.share.of_batch(8, 2)
            share = {n: v[own.start : own.stop] for n, v in views("", 8, torch.float32).items()}
            found = []
            for _ in range(2):
                backward(method, share, 2, ranks=ranks)
                found.append(torch.cat([p.grad.flatten() for p in method.parameters()]))
        return found[0], found[1]

    for once, both in on_ranks(2, twice):
        torch.testing.assert_close(both, 2 * once)


def test_all_ranks_see_a_broken_value_under_the_same_names() -> None:
    def broken() -> list[str]:
        with connect("cpu") as ranks:
            method = small()
            own = ranks.share.of_batch(8, 2)
            batch = views("", 8, torch.float32)
            batch["audio"][6, 0, 0] = torch.nan  # of the last rank
            share = {n: v[own.start : own.stop] for n, v in batch.items()}
            loss = backward(method, share, 2, ranks=ranks)
            with pytest.raises(NonFiniteError) as caught:
                finite_means({**loss.features, **loss.parts, "total": loss.total})
            return caught.value.names

    first, second = on_ranks(2, broken)
    assert first == second
    assert "audio" in first
    assert "video" not in first


def test_a_batch_of_fewer_chunks_than_ranks_is_refused_on_all() -> None:
    def refused() -> str:
        with connect("cpu") as ranks:
            half = {n: v[:4] for n, v in views("", 8, torch.float32).items()}
            with pytest.raises(ValueError, match="work for 1 rank, got 2") as caught:
                backward(small(), half, 8, ranks=ranks)
            return str(caught.value)

    message = "a batch of 8 in chunks of 8 is work for 1 rank, got 2"
    assert on_ranks(2, refused) == [message] * 2
