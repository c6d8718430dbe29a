"""Every method keeps the contract of iicl.methods.base, by being there."""

import pytest
import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from iicl import methods
from iicl.encoders.choice import default_names
from iicl.methods.base import Method
from iicl.samples import Sample, check_samples
from iicl.training.large_batch import backward
from tests.iicl.methods.every_method import (
    EXAMPLES,
    LENGTH,
    NAMES,
    TRAINED,
    assert_same,
    inputs_of,
    make,
    small,
)

pytestmark = pytest.mark.usefixtures("examples")


def test_every_method_is_found() -> None:
    assert methods.names() == sorted(NAMES)
    assert set(EXAMPLES) == {"memory_bank", "momentum_queue", "reclustering", "three_clips"}
    assert set(NAMES) - set(TRAINED) == {"mfcc", "random_init"}


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_setting_is_refused_with_the_legal_ones(name: str) -> None:
    legal = ", ".join(methods.settings_class(name).model_fields)
    with pytest.raises(ValueError, match=f"colour\n *unknown setting; legal: {legal} "):
        methods.read_settings({"name": name, "colour": 1})


@pytest.mark.parametrize("name", NAMES)
def test_it_reads_the_samples_that_its_settings_ask_for(name: str) -> None:
    settings = methods.read_settings(small(name))
    assert [plan.phase for plan in settings.phases(LENGTH)] == list(settings.PHASES)
    for phase in settings.PHASES:
        samples = settings.samples(phase)
        check_samples(samples)
        assert make(name, phase).samples == tuple(sample.name for sample in samples)


@pytest.mark.parametrize("name", NAMES)
def test_weights_come_from_the_global_generator(name: str) -> None:
    first, second = make(name).state_dict(), make(name).state_dict()
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("name", NAMES)
def test_each_view_that_is_encoded_has_its_encoder(name: str) -> None:
    method = make(name)
    batch = inputs_of(name, 4)
    for sample in method.samples:
        if (view := Sample(sample).view) in default_names():
            encoder = method.encoder(view)
            assert encoder(batch[sample]).shape == (4, encoder.feature_dim)


@pytest.mark.parametrize("name", NAMES)
def test_items_are_encoded_independently(name: str) -> None:
    method = make(name).eval()
    batch = inputs_of(name, 4, torch.float64)
    method.double()
    with torch.no_grad():
        whole = method.encode(batch)
        for i in range(4):
            alone = method.encode({sample: x[i : i + 1] for sample, x in batch.items()})
            assert alone.keys() == whole.keys()
            for feature, value in whole.items():
                torch.testing.assert_close(alone[feature], value[i : i + 1])


@pytest.mark.parametrize("name", sorted(set(NAMES) - set(TRAINED)))
def test_a_control_without_epochs_has_no_loss(name: str) -> None:
    method = make(name)
    with pytest.raises(RuntimeError, match="never trained"):
        method.loss(method.encode(inputs_of(name, 4)))


@pytest.mark.parametrize("name", TRAINED)
def test_the_loss_trains_every_parameter_that_is_not_frozen(name: str) -> None:
    method = make(name)
    total, parts = method.loss(method.encode(inputs_of(name, 4)))
    assert total.shape == ()
    assert parts
    assert all(part.shape == () for part in parts.values())
    total.backward()
    for parameter_name, parameter in method.named_parameters():
        is_trained = parameter.grad is not None
        assert is_trained == parameter.requires_grad, f"{parameter_name} is built but never trained"


@pytest.mark.parametrize("name", TRAINED)
def test_after_a_step_the_trained_parameters_are_the_optimisers(name: str) -> None:
    method = make(name)
    loss = backward(method, inputs_of(name, 4), 4)
    before = {n: p.clone() for n, p in method.named_parameters() if p.requires_grad}
    with torch.no_grad():
        method.after_step(0, loss.features)
    for parameter_name, value in before.items():
        assert torch.equal(method.get_parameter(parameter_name), value), parameter_name


def state(method: Method, *, with_statistics: bool) -> dict[str, Tensor]:
    """A copy of all that a method holds, with or without batch norm's running statistics."""
    statistics = {
        f"{path}.{name}"
        for path, module in method.named_modules()
        if isinstance(module, _BatchNorm)
        for name, _ in module.named_buffers(recurse=False)
    }
    return {
        name: value.clone()
        for name, value in method.state_dict().items()
        if with_statistics or name not in statistics
    }


@pytest.mark.parametrize("name", NAMES)
def test_encode_writes_nothing(name: str) -> None:
    method = make(name)
    batch = inputs_of(name, 4)
    for training in (True, False):
        method.train(training)
        before = state(method, with_statistics=not training)
        features = method.encode(batch)
        assert_same(before, state(method, with_statistics=not training))
        assert features
    assert_same(batch, inputs_of(name, 4))


@pytest.mark.parametrize("name", sorted(set(methods.names()) - {"mfcc", "random_init"}))
def test_its_question_is_answered_by_chance_before_training(name: str) -> None:
    method = make(name).eval()
    with torch.no_grad():
        items = method.encode(inputs_of(name, 12))
        method.before_epoch(0, lambda names: {key: items[key] for key in names})
        before = state(method, with_statistics=True)
        answers = method.answers(method.encode(inputs_of(name, 64)))
    if answers is None:
        pytest.skip("it asks no question")
    hits, chance = answers
    assert hits.dtype == torch.bool
    assert len(hits) % 64 == 0, "as many questions about each item"
    assert 0 < chance < 1
    assert hits.float().mean() < chance + 0.35, "random inputs tell nothing"
    assert_same(before, state(method, with_statistics=True))


@pytest.mark.parametrize("name", methods.names())
def test_it_says_what_it_is_after(name: str) -> None:
    settings = methods.settings_class(name)
    assert settings.SYSTEM
    assert settings.REFERENCE
    assert all(sentence.endswith(".") for sentence in settings.DEPARTURES)


@pytest.mark.parametrize("name", TRAINED)
def test_the_loss_writes_nothing_and_draws_from_the_global_generator_only(name: str) -> None:
    method = make(name)
    features = method.encode(inputs_of(name, 4))
    before, given = state(method, with_statistics=True), {n: f.clone() for n, f in features.items()}
    totals = []
    for _ in range(2):
        torch.manual_seed(7)
        totals.append(method.loss(features)[0])
    assert_same(before, state(method, with_statistics=True))
    assert_same(given, features)
    assert torch.equal(*totals)


@pytest.mark.parametrize("name", NAMES)
def test_encode_draws_from_the_global_generator_only(name: str) -> None:
    method = make(name)
    batch = inputs_of(name, 4)
    drawn = []
    for _ in range(2):
        torch.manual_seed(7)
        drawn.append(method.encode(batch))
    assert_same(*drawn)


@pytest.mark.parametrize("chunk_size", [1, 3, 5])
@pytest.mark.parametrize("name", TRAINED)
def test_a_step_in_chunks_is_the_step_of_the_whole(name: str, chunk_size: int) -> None:
    """With fixed batch norm, which is the one thing that looks at a chunk as such."""

    def stepped(size: int) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
        method = make(name).double().eval()
        torch.manual_seed(5)
        loss = backward(method, inputs_of(name, 8, torch.float64), size)
        gradients = {n: p.grad for n, p in method.named_parameters() if p.grad is not None}
        with torch.no_grad():
            method.after_step(0, loss.features)
        return loss.total, gradients, method.state_dict()

    for chunked, whole in zip(stepped(chunk_size), stepped(8), strict=True):
        torch.testing.assert_close(chunked, whole, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("name", TRAINED)
def test_running_statistics_move_once_in_a_step_of_many_chunks(name: str) -> None:
    """Those of the first batch norm of each encoder: its input is no other batch norm's output."""

    def stepped(size: int) -> dict[str, Tensor]:
        method = make(name).double()
        backward(method, inputs_of(name, 8, torch.float64), size)
        moved = {}
        for path, part in method.named_children():
            if not path.endswith("_encoder"):
                continue
            if norms := [m for m in part.modules() if isinstance(m, _BatchNorm)]:
                moved |= {f"{path}.{i}": m.num_batches_tracked for i, m in enumerate(norms)}
                moved[path] = norms[0].running_mean
        return moved

    in_chunks, whole = stepped(2), stepped(8)
    assert all(value.any() for value in whole.values())
    torch.testing.assert_close(in_chunks, whole, rtol=1e-9, atol=1e-12)
