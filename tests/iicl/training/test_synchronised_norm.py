"""Batch norm over ranks against torch's own on the whole batch, by itself and in whole steps."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from iicl.encoders.choice import Encoders
from iicl.methods.supervised.method import Supervised
from iicl.methods.supervised.settings import Settings
from iicl.training.distributed import ALONE, Ranks, connect
from iicl.training.large_batch import backward
from iicl.training.synchronised_norm import SynchronisedBatchNorm, synchronise
from tests.iicl.facts import facts
from tests.iicl.training.ranks import on_ranks

SIZES = (2, 4)
NUM_STEPS = 3

# What is normalised, and the shape of a batch, which four ranks cannot always share evenly.
NORMS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "rows": (lambda: nn.BatchNorm1d(3), (7, 3)),
    "one value a rank": (lambda: nn.BatchNorm1d(2), (4, 2)),
    "sequences": (lambda: nn.BatchNorm1d(3, momentum=0.3, eps=0.1), (7, 3, 5)),
    "pictures": (lambda: nn.BatchNorm2d(3), (4, 3, 5, 2)),
    "two layers": (
        lambda: nn.Sequential(nn.Conv3d(3, 4, 2), nn.BatchNorm3d(4), nn.ReLU(), nn.BatchNorm3d(4)),
        (5, 3, 2, 4, 4),
    ),
}


def passes(norm: str, dtype: torch.dtype, ranks: Ranks) -> dict[str, Tensor]:
    """What two passes in training mode and one in evaluation mode leave for this rank's items."""
    make, shape = NORMS[norm]
    torch.manual_seed(0)
    module = nn.Sequential(make()).to(dtype)
    for parameter in module.parameters():
        nn.init.normal_(parameter, mean=0.5)
    # Means far from 0, which differ from item to item and so from rank to rank.
    inputs = torch.randn(shape, dtype=torch.float64)
    inputs += 20 + torch.arange(shape[0]).view(-1, *[1] * (len(shape) - 1))
    factors = torch.randn(shape[0], dtype=torch.float64)

    synchronise(module, ranks)
    own = ranks.share.of_batch(shape[0], None)
    for _ in range(2):
        own_inputs = inputs[own.start : own.stop].to(dtype).requires_grad_()
        output = module(own_inputs)
        of_items = (output**3).flatten(1).sum(1)
        (of_items * factors[own.start : own.stop]).sum().backward()
    assert own_inputs.grad is not None
    module.eval()
    return {
        "item output": output.detach(),
        "item gradient": own_inputs.grad,
        "item evaluated": module(own_inputs).detach(),
        **{f"gradient {n}": p.grad for n, p in module.named_parameters() if p.grad is not None},
        **{f"statistic {name}": buffer for name, buffer in module.named_buffers()},
    }


def joined(of_ranks: list[dict[str, Tensor]], name: str) -> Tensor:
    """The items of all ranks, or the sum of their gradients, or statistics, which are all alike."""
    values = [of_rank[name] for of_rank in of_ranks]
    if name.startswith("item"):
        return torch.cat(values)
    if name.startswith("gradient"):
        return torch.stack(values).sum(0)
    assert all(torch.equal(value, values[0]) for value in values)
    return values[0]


CASES = [(norm, dtype) for norm in NORMS for dtype in (torch.float64, torch.float32)]


@pytest.fixture(scope="module")
def all_passes() -> dict[int, list[list[dict[str, Tensor]]]]:
    """By number of ranks, of each rank: every case's passes."""

    def all_cases() -> list[dict[str, Tensor]]:
        with connect("cpu") as ranks:
            return [passes(*case, ranks) for case in CASES]

    return {size: on_ranks(size, all_cases) for size in SIZES}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("case", range(len(CASES)), ids=lambda k: f"{CASES[k][0]} {CASES[k][1]}")
def test_items_of_all_ranks_are_normalised_as_by_torch_on_the_whole_batch(
    all_passes, size: int, case: int
) -> None:
    norm, dtype = CASES[case]
    expected = passes(norm, dtype, ALONE)
    of_ranks = [rank[case] for rank in all_passes[size]]
    tolerance = 1e-10 if dtype == torch.float64 else 2e-4
    for name, value in expected.items():
        scale = value.abs().max().clamp(min=1).item()
        torch.testing.assert_close(
            joined(of_ranks, name), value, rtol=0, atol=tolerance * scale, msg=name
        )


def test_low_precision_inputs_have_statistics_of_high_precision() -> None:
    generator = torch.Generator().manual_seed(0)
    inputs = (torch.randn(6, 2, 50, generator=generator) + 5).bfloat16()

    def normalised() -> tuple[Tensor, Tensor, Tensor]:
        with connect("cpu") as ranks:
            module = nn.Sequential(nn.BatchNorm1d(2, momentum=1.0))
            synchronise(module, ranks)
            own = ranks.share.of_batch(6, None)
            output = module(inputs[own.start : own.stop].requires_grad_())
            return output, module[0].running_mean, module[0].running_var

    plain = nn.BatchNorm1d(2, momentum=1.0)
    expected = plain(inputs)
    outputs, means, variances = zip(*on_ranks(2, normalised), strict=True)
    assert {output.dtype for output in outputs} == {torch.bfloat16}
    torch.testing.assert_close(torch.cat(outputs), expected, rtol=2e-2, atol=2e-2)
    torch.testing.assert_close(means[0], plain.running_mean, rtol=1e-5, atol=0)
    torch.testing.assert_close(variances[0], plain.running_var, rtol=1e-5, atol=0)


def test_one_rank_keeps_plain_batch_norm_and_others_the_names_of_the_state() -> None:
    module = nn.Sequential(nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2)))
    norm, names = module[0][1], list(module.state_dict())
    synchronise(module, ALONE)
    assert module[0][1] is norm
    synchronise(module, Ranks(0, 2, 0, torch.device("cpu")))
    assert type(module[0][1]) is SynchronisedBatchNorm
    assert list(module.state_dict()) == names
    assert module[0][1].weight is norm.weight
    assert module[0][1].running_var is norm.running_var


@pytest.mark.parametrize(
    "norm",
    [
        nn.LazyBatchNorm2d(),
        nn.BatchNorm2d(2, affine=False),
        nn.BatchNorm2d(2, momentum=None),
        nn.BatchNorm2d(2, track_running_stats=False),
    ],
    ids=lambda norm: repr(norm),
)
def test_a_batch_norm_that_would_become_another_one_is_refused(norm: nn.Module) -> None:
    module = nn.Sequential(nn.Sequential(norm))
    with pytest.raises(ValueError, match=r"^0\.0 = .* cannot be synchronised over ranks; legal: "):
        synchronise(module, Ranks(0, 2, 0, torch.device("cpu")))


def steps(num_items: int, ranks: Ranks) -> dict[str, Tensor]:
    """Loss and gradients of a step of training, and the state after several; all in float64."""
    torch.manual_seed(0)
    method = Supervised(
        Settings(modalities="video"), Encoders(video_width=2, video_depth=1), facts(3)
    ).double()
    synchronise(method, ranks)
    optimiser = torch.optim.SGD(method.parameters(), lr=0.01, momentum=0.9)
    own = ranks.share.of_batch(num_items, None)
    left: dict[str, Tensor] = {}
    for number in range(NUM_STEPS):
        torch.manual_seed(number)
        video = torch.randn(num_items, 3, 4, 32, 32, dtype=torch.float64)
        label = torch.eye(3, dtype=torch.float64)[torch.arange(num_items) % 3]
        share = {"video": video[own.start : own.stop], "label": label[own.start : own.stop]}
        optimiser.zero_grad()
        if ranks.size == 1:
            # The oracle is the plain step.
            loss, _ = method.loss(method.encode(share))
            loss.backward()
        else:
            loss, _, features = backward(method, share, None, ranks=ranks)
            assert all(len(feature) == num_items for feature in features.values())
        left[f"loss {number}"] = loss.detach()
        for name, parameter in method.named_parameters():
            assert parameter.grad is not None
            left[f"gradient {number} {name}"] = parameter.grad.clone()
        optimiser.step()
    return {**left, **method.state_dict()}


@pytest.mark.parametrize(("num_items", "size"), [(4, 2), (4, 4), (5, 2), (11, 4)])
def test_steps_on_ranks_are_the_plain_steps_with_the_whole_batch(num_items: int, size: int) -> None:
    def on_rank() -> dict[str, Tensor]:
        with connect("cpu") as ranks:
            return steps(num_items, ranks)

    expected = steps(num_items, ALONE)
    first, *others = on_ranks(size, on_rank)
    assert first.keys() == expected.keys()
    for name, value in expected.items():
        scale = value.abs().max().clamp(min=1).item()
        torch.testing.assert_close(first[name], value, rtol=0, atol=1e-10 * scale, msg=name)
        assert all(torch.equal(other[name], first[name]) for other in others), name


class Noise(Supervised):
    """Adds to every item a number drawn while it is encoded."""

    def encode(self, batch):
        features = super().encode(batch)
        return {**features, "video": features["video"] * 0 + torch.rand(len(features["video"]), 1)}


def test_ranks_draw_different_numbers_and_go_on_alike() -> None:
    def drawn() -> tuple[Tensor, Tensor]:
        with connect("cpu") as ranks:
            sizes = Encoders(video_width=2, video_depth=1)
            method = Noise(Settings(modalities="video"), sizes, facts(3))
            synchronise(method, ranks)
            # Shares of 2 and 3 items.
            num_own = len(ranks.share.of_batch(5, None))
            share = {"video": torch.zeros(num_own, 3, 4, 16, 16), "label": torch.eye(3)[:num_own]}
            torch.manual_seed(0)
            features = backward(method, share, None, ranks=ranks).features
            return features["video"][:, 0], torch.rand(3)

    (features, following), (_, following_of_other) = on_ranks(2, drawn)
    assert len(features.unique()) == 5
    assert torch.equal(following, following_of_other)
