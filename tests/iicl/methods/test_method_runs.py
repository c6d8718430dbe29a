"""A pretraining by any method gives the same bits on two ranks, after a kill, and in its file."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from iicl.training import checkpoint, loop, pretrain
from iicl.training.weights import load_method, load_weights
from tests.iicl.context import context
from tests.iicl.methods.every_method import NAMES, TRAINED, assert_same, make
from tests.iicl.training.ranks import on_ranks

pytestmark = pytest.mark.usefixtures("examples")


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
def test_exported_weights_are_all_but_those_that_do_not_belong_there(
    name: str, phases: Callable, corpora: dict[str, Path], tmp_path: Path
) -> None:
    planned = phases(name)
    run_all(planned, corpora, tmp_path)
    trained, loaded = trained_state(tmp_path, planned), load_method(tmp_path / planned[-1].phase)
    kept_back = {
        own: {n for n in trained if n == own or n.startswith(f"{own}.")}
        for own in loaded.not_exported
    }
    assert all(kept_back.values()), "each entry names a part of the state"
    exported = {n: v for n, v in trained.items() if n not in set().union(*kept_back.values())}
    assert load_weights(tmp_path / planned[-1].phase).keys() == exported.keys()
    for weight, value in exported.items():
        assert torch.equal(loaded.state_dict()[weight], value), weight
