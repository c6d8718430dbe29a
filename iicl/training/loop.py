"""The training loop that every gradient-trained stage shares: resumable at any step, bit-exactly.

    for epoch in epochs:
      * forgotten = method.before_epoch(epoch, corpus_pass)
        optimiser.forget(forgotten)
        for step, batch in epoch:
            features = encode(batch)        # in chunks, which the ranks share
            loss(features).backward()       # over the whole batch
            optimiser.step()
          * method.after_step(step, features)
            save, if it is time

A method acts where a star stands, and nowhere else.

A step depends on the run's seed and the step's number alone, so a training that is killed and
resumed from a checkpoint ends, on the CPU, in the weights of an uninterrupted one, on any number of
ranks.
"""

import json
import signal
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from iicl import interruption
from iicl.config import Execution
from iicl.data.loader import RawBatch
from iicl.files import write_atomically
from iicl.methods.base import Method
from iicl.seeding import derive_seed
from iicl.training import checkpoint, large_batch
from iicl.training.context import Report
from iicl.training.corpus_pass import CorpusPass
from iicl.training.distributed import Ranks
from iicl.training.graph_memory import budget_bytes
from iicl.training.recipe import Training

NUM_CURVE_POINTS = 200


class NonFiniteStepError(FloatingPointError):
    """A training that broke: the step, counted from 0, and the values that are not finite."""

    def __init__(self, step: int, names: list[str]) -> None:
        super().__init__(f"step {step}: not finite: {', '.join(names)}")
        self.step = step
        self.names = names


@dataclass(frozen=True)
class Trained:
    """Result of a training.

    Seconds and items count the steps behind the final weights, over all attempts. A step that was
    lost at an interruption and done again counts once.

    Attributes:
        last_losses: the terms of the loss and its total at the last step.
        seconds: time spent in the steps and before the epochs.
        num_items: items that went through the encoders, of all ranks together.
        num_items_in_corpus_passes: how many of these were encoded before epochs.
    """

    last_losses: dict[str, float]
    seconds: float
    num_items: int
    num_items_in_corpus_passes: int


def train(
    training: Training, folder: Path, execution: Execution, report: Report, ranks: Ranks
) -> Trained:
    """Train to the end, from the newest checkpoint in ``folder`` if there is one.

    A request to stop, to any rank, is met at the end of a step: its state is saved, and all ranks
    raise. While the train items are encoded before an epoch, it is met between two chunks; the
    resumed training then begins the epoch anew.

    Args:
        training: what to train; its method is changed in place.
        folder: receives ``checkpoints/`` and ``metrics.jsonl``, both of rank 0.
        execution: how often to save, and how much memory to hold in graphs.
        report: told about the progress after each step.
        ranks: that train together, from the same weights.

    Raises:
        NonFiniteStepError: if a term of the loss or the gradient is not finite; the checkpoints of
            the good steps before stay the last.
        ValueError: if ``before_epoch`` of the method names an unknown parameter or feature.
        OSError: if a checkpoint cannot be written.
        Interrupted: if asked to stop.
        LostRankError: if another rank is gone.
    """
    graph_memory = budget_bytes(execution, ranks.device)
    attempt = _Attempt(training, folder, ranks, graph_memory)
    first_step, num_steps = attempt.resume(), training.items.num_steps
    training.method.train()
    # Nothing is read where no step is left: a control that never trains needs no full batch.
    batches = training.items.batches(first_step) if first_step < num_steps else iter(())
    saved_at = attempt.start_clock()
    with interruption.deferred() as requested:
        stop = _StopRequest(requested, ranks)
        for step in range(first_step, num_steps):
            epoch = step // training.items.steps_per_epoch
            if attempt.state["epochs_begun"] == epoch:
                if attempt.acts_before_epochs and step > first_step:
                    attempt.save(step)  # no step is lost if the training is stopped in here
                    saved_at = time.monotonic()
                attempt.begin_epoch(epoch, stop.raise_if_asked)
                if time.monotonic() - saved_at >= execution.checkpoint_seconds:
                    attempt.save(step)
                    saved_at = time.monotonic()
            now = attempt.take_step(step, next(batches))
            is_asked_to_stop, done = stop.is_asked(), step + 1
            if (
                done == num_steps
                or is_asked_to_stop
                or now - saved_at >= execution.checkpoint_seconds
            ):
                attempt.save(done)
                saved_at = time.monotonic()
            report(done / num_steps, f"step {done}/{num_steps}")
            if is_asked_to_stop:
                ranks.wait()  # for rank 0 to have saved
                stop.raise_if_asked()
    if num_steps == 0:
        attempt.save(0)
    return attempt.outcome()


class _StopRequest:
    """A request to stop, which all ranks meet as one: every method is a collective."""

    def __init__(self, requested: Callable[[], str | None], ranks: Ranks) -> None:
        self._requested, self._ranks = requested, ranks

    def is_asked(self) -> bool:
        """Whether any rank is asked to stop."""
        return self._number() > 0

    def raise_if_asked(self) -> None:
        """Stop all ranks if any is asked to."""
        if number := self._number():
            raise interruption.Interrupted(signal.Signals(number).name)

    def _number(self) -> int:
        name = self._requested()
        return self._ranks.max(signal.Signals[name] if name else 0)


class _Attempt:
    """One execution of a training.

    Attributes:
        state: what a checkpoint holds besides the method and the optimiser. ``epochs_begun`` counts
            the epochs whose ``before_epoch`` has run.
    """

    def __init__(self, training: Training, folder: Path, ranks: Ranks, graph_memory: int) -> None:
        self._training, self._folder, self._ranks = training, folder, ranks
        self._graph_memory = graph_memory
        self._base_rates = [group["lr"] for group in training.optimiser.param_groups]
        self._clock = 0.0
        self.state: dict[str, Any] = {
            "curve": [],
            "losses": {},
            "seconds": 0.0,
            "num_items": 0,
            "num_items_in_corpus_passes": 0,
            "epochs_begun": 0,
        }

    def resume(self) -> int:
        """Go back to the newest checkpoint, if there is one, and say how many steps are done."""
        rank = self._ranks.rank
        latest = checkpoint.load_latest(self._folder / "checkpoints") if rank == 0 else None
        # All go back to what rank 0 can read: a newest checkpoint may be damaged.
        if (latest := self._ranks.broadcast(latest)) is None:
            return 0
        num_done, self.state = latest
        self._training.method.load_state_dict(self.state["method"])
        self._training.optimiser.load_state_dict(self.state["optimiser"])
        return num_done

    def save(self, num_done: int) -> None:
        """Write a checkpoint after so many steps; replaces one of the same number."""
        if self._ranks.rank != 0:
            return
        method, optimiser = self._training.method, self._training.optimiser
        tensors = {"method": method.state_dict(), "optimiser": optimiser.state_dict()}
        checkpoint.save(self._folder / "checkpoints", num_done, {**self.state, **tensors})
        lines = [json.dumps(record) for record in self.state["curve"]]
        write_atomically(self._folder / "metrics.jsonl", "".join(f"{x}\n" for x in lines).encode())

    def outcome(self) -> Trained:
        """The training as it is now."""
        state = self.state
        num_in_passes = state["num_items_in_corpus_passes"]
        return Trained(state["losses"], state["seconds"], state["num_items"], num_in_passes)

    def start_clock(self) -> float:
        """Restart the clock of the next step; the present time."""
        self._clock = time.monotonic()
        return self._clock

    @property
    def acts_before_epochs(self) -> bool:
        """Whether the method does anything before an epoch."""
        return type(self._training.method).before_epoch is not Method.before_epoch

    def begin_epoch(self, epoch: int, stop_if_asked: Callable[[], None]) -> None:
        """Let the method act before an epoch."""
        training = self._training
        seed = derive_seed(training.items.batching.seed, "epoch", epoch)
        torch.manual_seed(seed)
        corpus_pass = CorpusPass(training, epoch, seed, self._ranks, stop_if_asked)
        with torch.no_grad():
            names = training.method.before_epoch(epoch, corpus_pass)
        _forget(training.optimiser, training.method, names)
        self.state["epochs_begun"] = epoch + 1
        self.state["num_items_in_corpus_passes"] += corpus_pass.num_items
        self._count(corpus_pass.num_items)

    def take_step(self, step: int, batch: RawBatch) -> float:
        """One step of the optimiser; says when it was done."""
        training, method, optimiser = (
            self._training,
            self._training.method,
            self._training.optimiser,
        )
        rate = training.rate(step)
        for group, base_rate in zip(optimiser.param_groups, self._base_rates, strict=True):
            group["lr"] = base_rate * rate
        torch.manual_seed(derive_seed(training.items.batching.seed, "step", step))
        optimiser.zero_grad(set_to_none=True)
        try:
            loss = large_batch.backward(
                method,
                training.items.samples(batch),
                training.items.chunk_size,
                precision=training.precision,
                ranks=self._ranks,
                graph_memory=self._graph_memory,
                exchange=training.exchange,
            )
            features = {f"{name} features": feature for name, feature in loss.features.items()}
            losses = {**loss.parts, "total": loss.total}
            checked = {**features, **losses, "gradient": _gradient_norm(method)}
            means = large_batch.finite_means(checked)
        except large_batch.NonFiniteError as error:
            raise NonFiniteStepError(step, error.names) from error
        optimiser.step()
        with torch.no_grad():
            method.after_step(step, loss.features)
        now = self._count(training.items.batching.batch_size)
        num_steps = training.items.num_steps
        if step % max(1, num_steps // NUM_CURVE_POINTS) == 0 or step + 1 == num_steps:
            self.state["losses"] = {name: means[name] for name in losses}
            rates = {f"rate_{i}": g["lr"] for i, g in enumerate(optimiser.param_groups)}
            self.state["curve"].append({"step": step, **rates, **self.state["losses"]})
        return now

    def _count(self, num_items: int) -> float:
        """Count items, and the time since the last count; says when that was."""
        before, now = self._clock, self.start_clock()
        self.state["seconds"] += now - before
        self.state["num_items"] += num_items
        return now


def _forget(optimiser: torch.optim.Optimizer, method: Method, names: Collection[str]) -> None:
    """Let the optimiser's state of some parameters start anew."""
    parameters = dict(method.named_parameters())
    if unknown := sorted(set(names) - parameters.keys()):
        raise ValueError(
            f"before_epoch of {type(method).__name__} names no parameters of it: {unknown};"
            f" legal: {', '.join(parameters)}"
        )
    for name in names:
        optimiser.state.pop(parameters[name], None)


def _gradient_norm(method: Method) -> Tensor:
    gradients = [p.grad for p in method.parameters() if p.grad is not None]
    return torch.nn.utils.get_total_norm(gradients)
