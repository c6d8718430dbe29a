"""The loop on a method of one number, where every step can be written down."""

import json
from types import SimpleNamespace

import pytest
import torch

from iicl.training import checkpoint, loop
from tests.iicl.training.one_number import Number, train


def interrupted(folder, **settings):
    """The same, stopped after three steps and gone on with."""
    with pytest.raises(KeyboardInterrupt):
        train(folder, stop_after=3, checkpoint_seconds=0, **settings)
    return train(folder, **settings)


@pytest.mark.parametrize("attempt", [train, interrupted])
def test_each_step_takes_the_rate_of_its_number(tmp_path, attempt):
    method, _ = attempt(tmp_path, rate=lambda step: 1 / (step + 1))
    # Steps of 0.1 / (n + 1) down a slope of n + 1: each goes down by 0.1.
    assert method.x.item() == pytest.approx(1 - 6 * 0.1)
    curve = [json.loads(line) for line in (tmp_path / "metrics.jsonl").open()]
    assert [point["step"] for point in curve] == list(range(6))
    assert [point["rate_0"] for point in curve] == pytest.approx([0.1 / n for n in range(1, 7)])
    assert [point["total"] for point in curve] == pytest.approx(
        [(1 - 0.1 * n) * (n + 1) for n in range(6)]
    )


def test_random_numbers_of_a_step_do_not_depend_on_the_steps_before(tmp_path):
    whole, _ = train(tmp_path / "whole", noisy=True)
    torch.rand(7)
    resumed, _ = interrupted(tmp_path / "resumed", noisy=True)
    assert torch.equal(whole.x, resumed.x)
    assert not torch.equal(whole.x, train(tmp_path / "plain")[0].x)


def test_the_method_is_trained_in_training_mode(tmp_path):
    assert train(tmp_path)[0].modes == [True] * 6


def test_cost_counts_the_steps_that_led_to_the_end(tmp_path):
    _, outcome = interrupted(tmp_path)
    assert outcome.num_items == 12
    assert outcome.last_losses == pytest.approx({"product": (1 - 1.5) * 6, "total": -3.0})


def test_the_state_is_saved_at_the_interval_and_at_the_end(tmp_path):
    train(tmp_path / "rarely", checkpoint_seconds=3600)
    assert [p.name for p in (tmp_path / "rarely" / "checkpoints").iterdir()] == [
        "step-000000006.pt"
    ]
    train(tmp_path / "always", checkpoint_seconds=0)
    assert len(list((tmp_path / "always" / "checkpoints").iterdir())) == 2


def test_a_long_training_keeps_a_short_curve(tmp_path):
    train(tmp_path, num_steps=999)
    steps = [json.loads(line)["step"] for line in (tmp_path / "metrics.jsonl").open()]
    assert steps[:3] == [0, 4, 8]
    assert steps[-1] == 998
    assert len(steps) <= 2 * loop.NUM_CURVE_POINTS


def test_a_finished_training_is_not_repeated(tmp_path):
    first, _ = train(tmp_path)
    again, outcome = train(tmp_path)
    assert torch.equal(first.x, again.x)
    assert again.modes == []
    assert outcome.num_items == 12
    assert checkpoint.load_latest(tmp_path / "checkpoints")[0] == 6


class Acting(Number):
    """Notes in buffers what its hooks were told, and draws a random number before each epoch."""

    def __init__(self, noisy=False, forgotten=()) -> None:
        super().__init__(noisy)
        self.forgotten = forgotten
        for name, shape in (("epochs", 3), ("drawn", 3), ("corpus", 3), ("steps", 6), ("seen", 6)):
            self.register_buffer(name, torch.zeros(shape))
        self.calls = []

    def before_epoch(self, epoch, corpus_pass):
        self.calls.append(("epoch", epoch))
        assert not torch.is_grad_enabled()
        state = torch.get_rng_state()
        once, again = corpus_pass(["product"]), corpus_pass(["product"])
        assert torch.equal(torch.get_rng_state(), state)
        assert torch.equal(once["product"], again["product"])
        assert self.training
        self.epochs[epoch] += 1
        self.drawn[epoch] = torch.rand(())
        self.corpus.copy_(once["product"])
        return self.forgotten

    def after_step(self, step, features):
        self.calls.append(("step", step))
        assert not torch.is_grad_enabled()
        assert not features["product"].requires_grad
        self.steps[step] += 1
        self.seen[step] = features["product"].sum()


def trained_with_hooks(folder, **settings):
    return train(folder, steps_per_epoch=2, method=Acting(), **settings)


def test_hooks_act_before_each_epoch_and_after_each_step(tmp_path):
    method, outcome = trained_with_hooks(tmp_path)
    assert method.calls == [
        (kind, number)
        for epoch in range(3)
        for kind, number in (("epoch", epoch), ("step", 2 * epoch), ("step", 2 * epoch + 1))
    ]
    # x goes down by 0.1 n at step n, after the loss of the step has seen it.
    x = [1.0, 0.9, 0.7, 0.4, 0.0, -0.5]
    assert method.seen.tolist() == pytest.approx([2 * x[n] * (n + 1) for n in range(6)], abs=1e-5)
    assert method.corpus.tolist() == pytest.approx([0, 0, 0], abs=1e-5)
    assert outcome.num_items == 6 * 2 + 3 * 2 * 3
    assert outcome.num_items_in_corpus_passes == 3 * 2 * 3


def test_the_time_of_hooks_counts(tmp_path, monkeypatch):
    class Slow(Acting):
        def before_epoch(self, epoch, corpus_pass):
            clock.now += 10
            return super().before_epoch(epoch, corpus_pass)

        def after_step(self, step, features):
            clock.now += 1

    clock = SimpleNamespace(now=5.0, monotonic=lambda: clock.now)
    monkeypatch.setattr(loop, "time", clock)
    settings = {"steps_per_epoch": 2, "checkpoint_seconds": 3}
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path, method=Slow(), stop_after=2, **settings)
    # The newest checkpoint is the one before the first step.
    assert checkpoint.load_latest(tmp_path / "checkpoints")[0] == 0
    _, outcome = train(tmp_path, method=Slow(), **settings)
    assert outcome.seconds == 3 * 10 + 6 * 1


def test_a_corpus_pass_encodes_all_items_in_evaluation_mode(tmp_path):
    method, _ = trained_with_hooks(tmp_path, num_steps=2)
    assert method.corpus.tolist() == [0.0, 1.0, 2.0]
    assert method.modes == [False] * 4 + [True] * 2


class Killed(BaseException):
    pass


@pytest.mark.parametrize("moment", ["before it is written", "after it is written"])
@pytest.mark.parametrize("save", range(9))
def test_killed_around_any_checkpoint_each_hook_has_run_once_in_the_end(
    tmp_path, monkeypatch, save, moment
):
    """There are nine: before each of three epochs, and after each of six steps."""
    whole, outcome = trained_with_hooks(tmp_path / "whole")
    write, written = checkpoint.save, []

    def killed(folder, step, state):
        last = len(written) == save
        if last and moment == "before it is written":
            raise Killed
        write(folder, step, state)
        written.append(step)
        if last:
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(checkpoint, "save", killed)
        with pytest.raises(Killed):
            trained_with_hooks(tmp_path / "cut", checkpoint_seconds=0)
    resumed, again = trained_with_hooks(tmp_path / "cut", checkpoint_seconds=0)
    assert resumed.epochs.tolist() == [1] * 3
    assert resumed.steps.tolist() == [1] * 6
    for name, value in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value), name
    assert again.num_items == outcome.num_items
    assert again.num_items_in_corpus_passes == outcome.num_items_in_corpus_passes


def test_the_optimiser_forgets_what_a_method_names(tmp_path):
    kept, _ = train(tmp_path / "kept", steps_per_epoch=3, method=Acting(), momentum=0.5)
    method = Acting(forgotten=["x"])
    forgotten, _ = train(tmp_path / "forgotten", steps_per_epoch=3, method=method, momentum=0.5)

    def moved(steps, velocity=0.0):
        distance = 0.0
        for step in steps:
            velocity = 0.5 * velocity + step
            distance += 0.1 * velocity
        return distance

    assert kept.x.item() == pytest.approx(1 - moved([1, 2, 3, 4, 5, 6]))
    assert forgotten.x.item() == pytest.approx(1 - moved([1, 2, 3]) - moved([4, 5, 6]))


def test_an_unknown_name_in_a_hook_is_refused_with_the_legal_ones(tmp_path):
    with pytest.raises(ValueError, match=r"Acting names no parameters of it: \['y'\]; legal: x"):
        train(tmp_path / "parameter", method=Acting(forgotten=["y"]))

    class Asking(Number):
        def before_epoch(self, epoch, corpus_pass):
            corpus_pass(["sum"])
            return ()

    with pytest.raises(ValueError, match="Asking has no features 'sum'; legal: product"):
        train(tmp_path / "feature", method=Asking(noisy=False))
