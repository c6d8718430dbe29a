"""Every method keeps the contract of iicl.methods.base, by being there."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from iicl import config, methods
from iicl.encoders.choice import default_names
from iicl.methods.base import Method
from iicl.pretraining import pretrain_phases
from iicl.samples import Sample, check_samples
from iicl.training import checkpoint, loop, pretrain
from iicl.training.large_batch import backward
from iicl.training.weights import load_method, load_weights
from tests.iicl.context import context
from tests.iicl.methods.every_method import (
    EXAMPLES,
    LENGTH,
    NAMES,
    SMALL,
    TRAINED,
    batch_of,
    make,
)
from tests.iicl.training.ranks import on_ranks

pytestmark = pytest.mark.usefixtures("examples")


def test_every_method_is_found() -> None:
    assert methods.names() == sorted(NAMES)
    assert set(EXAMPLES) == {"memory_bank", "reclustering", "three_clips"}
    assert set(NAMES) - set(TRAINED) == {"mfcc", "random_init"}


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_setting_is_refused_with_the_legal_ones(name: str) -> None:
    legal = ", ".join(methods.settings_class(name).model_fields)
    with pytest.raises(ValueError, match=f"colour\n *unknown setting; legal: {legal} "):
        methods.read_settings({"name": name, "colour": 1})


@pytest.mark.parametrize("name", NAMES)
def test_it_reads_the_samples_that_its_settings_ask_for(name: str) -> None:
    settings = methods.read_settings({"name": name})
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
    batch = batch_of(method.samples, 4)
    for sample in method.samples:
        if (view := Sample(sample).view) in default_names():
            encoder = method.encoder(view)
            assert encoder(batch[sample]).shape == (4, encoder.feature_dim)


@pytest.mark.parametrize("name", NAMES)
def test_items_are_encoded_independently(name: str) -> None:
    method = make(name).eval()
    batch = batch_of(method.samples, 4, torch.float64)
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
        method.loss(method.encode(batch_of(method.samples, 4)))


@pytest.mark.parametrize("name", TRAINED)
def test_the_loss_trains_every_parameter(name: str) -> None:
    method = make(name)
    total, parts = method.loss(method.encode(batch_of(method.samples, 4)))
    assert total.shape == ()
    assert parts
    assert all(part.shape == () for part in parts.values())
    total.backward()
    for parameter_name, parameter in method.named_parameters():
        assert parameter.grad is not None, f"{parameter_name} is built but never trained"


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


def assert_same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


@pytest.mark.parametrize("name", NAMES)
def test_encode_writes_nothing(name: str) -> None:
    method = make(name)
    batch = batch_of(method.samples, 4)
    for training in (True, False):
        method.train(training)
        before = state(method, with_statistics=not training)
        features = method.encode(batch)
        assert_same(before, state(method, with_statistics=not training))
        assert features
    assert_same(batch, batch_of(method.samples, 4))


@pytest.mark.parametrize("name", TRAINED)
def test_the_loss_writes_nothing_and_draws_from_the_global_generator_only(name: str) -> None:
    method = make(name)
    features = method.encode(batch_of(method.samples, 4))
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
    batch = batch_of(method.samples, 4)
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
        loss = backward(method, batch_of(method.samples, 8, torch.float64), size)
        gradients = {name: p.grad for name, p in method.named_parameters()}
        with torch.no_grad():
            method.after_step(0, loss.features)
        return loss.total, gradients, dict(method.named_buffers())

    for chunked, whole in zip(stepped(chunk_size), stepped(8), strict=True):
        torch.testing.assert_close(chunked, whole, rtol=1e-9, atol=1e-10)


@pytest.fixture
def phases(settings: dict) -> Callable[[str], list]:
    """Makes the phases of a pretraining of two epochs of three steps, three chunks a step."""
    settings |= {
        "clip": config.Clip(num_frames=4, fps=8.0, size=16, audio_seconds=0.5),
        "encoders": SMALL,
        "optimisation": {"batch_size": 12, "chunk_size": 4},
    }
    return lambda name: pretrain_phases(LENGTH, **{**settings, "method": {"name": name}})


def run_all(phases: list, corpora: dict[str, Path], root: Path, **execution: object) -> None:
    """All phases, each from the one before, in folders by their names."""
    upstream: dict[str, Path] = {}
    for phase in phases:
        out = root / phase.phase
        out.mkdir(parents=True, exist_ok=True)
        pretrain.run(phase, context(out, corpora=corpora, upstream=upstream, **execution))
        upstream = {"previous": out}


def trained_state(root: Path, phases: list) -> dict[str, Tensor]:
    """Weights and buffers after the last phase."""
    _, saved = checkpoint.load_latest(root / phases[-1].phase / "checkpoints")
    return saved["method"]


@pytest.mark.parametrize("name", TRAINED)
def test_two_ranks_end_in_the_weights_and_buffers_of_one(
    name: str, phases: Callable, corpora: dict[str, Path], tmp_path: Path
) -> None:
    planned = phases(name)

    def trained(root: Path) -> dict[str, Tensor]:
        made = []

        def train(training: loop.Training, *rest: object) -> loop.Trained:
            made.append(training.method)
            return loop.train(training, *rest)

        pretrain.train = train  # in this process, which ends with it
        run_all(planned, corpora, root)
        return made[-1].state_dict()

    (alone,) = on_ranks(1, lambda: trained(tmp_path / "one"))
    assert set(alone) == set(make(name).state_dict())
    for rank in on_ranks(2, lambda: trained(tmp_path / "two")):
        assert_same(alone, rank)
    assert_same(alone, trained_state(tmp_path / "two", planned))


class Killed(BaseException):
    """The end of an attempt, with whatever it held."""


@pytest.mark.parametrize("name", TRAINED)
def test_killed_and_resumed_ends_in_the_same_bits(
    name: str,
    phases: Callable,
    corpora: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    planned = phases(name)
    run_all(planned, corpora, tmp_path / "whole", checkpoint_seconds=0)
    run_all(planned[:-1], corpora, tmp_path / "killed")
    # Each attempt goes on from the one before. It is killed at the first checkpoint after so many
    # finished steps, before or after it is written; then the newest checkpoint is after so many
    # steps, with so many epochs begun.
    moments = {
        "inside an epoch": (2, "after", 2, 1),
        "at the border, before the next epoch begins": (3, "after", 3, 1),
        "between before_epoch and its checkpoint": (3, "before", 3, 1),
        "after before_epoch and its checkpoint": (3, "after", 3, 2),
        "between after_step and its checkpoint": (4, "before", 3, 2),
    }
    write = checkpoint.save
    for moment, (killed_at, when, num_done, epochs_begun) in moments.items():

        def save(folder, step, saved, killed_at=killed_at, when=when):
            if step != killed_at or when == "after":
                write(folder, step, saved)
            if step == killed_at:
                raise Killed

        with monkeypatch.context() as patched:
            patched.setattr(checkpoint, "save", save)
            with pytest.raises(Killed):
                run_all(planned, corpora, tmp_path / "killed", checkpoint_seconds=0)
        step, saved = checkpoint.load_latest(
            tmp_path / "killed" / planned[-1].phase / "checkpoints"
        )
        assert (step, saved["epochs_begun"]) == (num_done, epochs_begun), moment
    run_all(planned, corpora, tmp_path / "killed", checkpoint_seconds=0)
    assert_same(
        trained_state(tmp_path / "whole", planned), trained_state(tmp_path / "killed", planned)
    )


@pytest.mark.parametrize("name", NAMES)
def test_exported_weights_are_all_but_the_buffers_that_do_not_belong_there(
    name: str, phases: Callable, corpora: dict[str, Path], tmp_path: Path
) -> None:
    planned = phases(name)
    run_all(planned, corpora, tmp_path)
    trained, loaded = trained_state(tmp_path, planned), load_method(tmp_path / planned[-1].phase)
    assert loaded.not_exported <= dict(loaded.named_buffers()).keys()
    exported = {n: value for n, value in trained.items() if n not in loaded.not_exported}
    assert load_weights(tmp_path / planned[-1].phase).keys() == exported.keys()
    for weight, value in exported.items():
        assert torch.equal(loaded.state_dict()[weight], value), weight
