"""Ranks add up their gradients in float64, or in float32 if a pretraining asks for it."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from iicl.config import GradientExchange, Optimisation, PretrainLength
from iicl.pretraining import Pretrain, pretrain_phases
from iicl.training.distributed import connect
from iicl.training.large_batch import backward
from iicl.training.weights import load_config, load_weights
from tests.iicl.training.chunked_steps import gradients, make, views
from tests.iicl.training.ranks import on_ranks
from tests.iicl.training.small_pretraining import run

NUM_ITEMS, CHUNK = 64, 4


def step(exchange: GradientExchange) -> dict[str, Tensor]:
    """The gradients of a step in float32."""
    with connect("cpu") as ranks:
        method = make(norm=True).float()
        own = ranks.share.of_batch(NUM_ITEMS, CHUNK)
        share = {n: view[own.start : own.stop].float() for n, view in views(NUM_ITEMS).items()}
        backward(method, share, CHUNK, ranks=ranks, exchange=exchange)
        return gradients(method)


@pytest.fixture(scope="module")
def steps() -> dict[int, list[tuple[dict[str, Tensor], dict[str, Tensor]]]]:
    """By number of ranks, of each rank: the gradients by float64 and by float32."""
    return {n: on_ranks(n, lambda: (step("float64"), step("float32"))) for n in (1, 2, 4)}


@pytest.mark.parametrize("size", [2, 4])
def test_in_float32_gradients_are_near_and_the_same_on_all_ranks(steps, size: int) -> None:
    ((exact, alone),) = steps[1]
    for name, gradient in exact.items():
        assert torch.equal(alone[name], gradient), "one rank exchanges nothing"
    first = steps[size][0][1]
    for of_float64, of_float32 in steps[size]:
        for name, gradient in exact.items():
            assert torch.equal(of_float64[name], gradient)
            assert torch.equal(of_float32[name], first[name])
            largest = gradient.abs().max()
            assert (of_float32[name] - gradient).abs().max() <= 1e-5 * largest, name


@pytest.mark.parametrize("size", [2, 4])
def test_in_float32_the_last_digits_depend_on_the_number_of_ranks(steps, size: int) -> None:
    exact, rounded = steps[size][0]
    assert any(not torch.equal(rounded[name], gradient) for name, gradient in exact.items())


def phase(settings: dict, **optimisation: object) -> Pretrain:
    sizes = {"batch_size": 12, "chunk_size": 3, **optimisation}
    length = PretrainLength(initialisation=2, co_training=0)
    return pretrain_phases(length, **{**settings, "optimisation": sizes})[0]


def test_a_pretraining_exchanges_as_its_settings_say(settings, corpora, tmp_path: Path) -> None:
    """Near the exact one after six steps, not equal to it, and its weights say why."""
    exact, rounded = phase(settings), phase(settings, gradient_exchange="float32")
    run(exact, corpora, tmp_path / "exact")
    folder = tmp_path / "rounded"
    on_ranks(2, lambda: run(rounded, corpora, folder))
    expected, weights = load_weights(tmp_path / "exact"), load_weights(folder)
    assert any(not torch.equal(weights[name], value) for name, value in expected.items())
    for name, value in expected.items():
        torch.testing.assert_close(weights[name], value, rtol=1e-3, atol=1e-3, msg=name)
    assert load_config(folder).optimisation.gradient_exchange == "float32"


def test_only_a_choice_that_is_not_the_default_is_written() -> None:
    assert "gradient_exchange" not in Optimisation().model_dump(mode="json")
    assert "gradient_exchange" not in Optimisation(gradient_exchange="float64").model_dump()
    rounded = Optimisation(gradient_exchange="float32")
    assert rounded.model_dump(mode="json")["gradient_exchange"] == "float32"
    assert Optimisation.model_validate(rounded.model_dump()) == rounded
