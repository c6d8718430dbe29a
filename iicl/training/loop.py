"""The training loop that every gradient-trained stage shares: resumable at any step, bit-exactly.

A step depends on the run's seed and the step's number alone, so a training that is killed and
resumed from a checkpoint ends, on the CPU, in the weights of an uninterrupted one, on any number of
ranks.
"""

import json
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from iicl import interruption
from iicl.config import Execution, Precision
from iicl.data.loader import RawBatch
from iicl.files import write_atomically
from iicl.methods.base import Method
from iicl.seeding import derive_seed
from iicl.training import checkpoint, large_batch
from iicl.training.distributed import Ranks

NUM_CURVE_POINTS = 200

Report = Callable[[float, str], None]
"""Receives the finished fraction of a stage, 0-1, and a line that says where it is."""


class NonFiniteStepError(FloatingPointError):
    """A training that broke: the step, counted from 0, and the values that are not finite."""

    def __init__(self, step: int, names: list[str]) -> None:
        super().__init__(f"step {step}: not finite: {', '.join(names)}")
        self.step = step
        self.names = names


@dataclass(frozen=True)
class Training:
    """What is trained and how.

    Attributes:
        method: encoders, heads and loss, on the device they train on.
        optimiser: over the method's named parameters, with the rates that ``rate`` multiplies.
        rate: learning-rate factor as a function of the finished steps.
        num_steps: optimiser steps in all.
        batches: the raw batches from a given step on, this rank's share of each.
        views: turns a raw batch into the method's views on its device.
        batch_size: items of a step, of all ranks together.
        chunk_size: items encoded and normalised together.
        precision: of the encoders; losses are float32.
        seed: of the run.
    """

    method: Method
    optimiser: torch.optim.Optimizer
    rate: Callable[[int], float]
    num_steps: int
    batches: Callable[[int], Iterator[RawBatch]]
    views: Callable[[RawBatch], dict[str, Tensor]]
    batch_size: int
    chunk_size: int
    precision: Precision
    seed: int


@dataclass(frozen=True)
class Trained:
    """What a training was.

    Attributes:
        last_losses: the terms of the loss and its total at the last step.
        seconds: time spent in the steps that led to the end, over all attempts; steps lost between
            a checkpoint and an interruption are not in it.
        num_items: items that went through the encoders in these steps, of all ranks together.
    """

    last_losses: dict[str, float]
    seconds: float
    num_items: int


def train(
    training: Training, folder: Path, execution: Execution, report: Report, ranks: Ranks
) -> Trained:
    """Train to the end, from the newest checkpoint in ``folder`` if there is one.

    A request to stop, to any rank, is met at the end of a step: its state is saved, and all ranks
    raise.

    Args:
        training: what to train; its method is changed in place.
        folder: receives ``checkpoints/`` and ``metrics.jsonl``, both of rank 0.
        execution: how often to save.
        report: told about the progress after each step.
        ranks: that train together, from the same weights.

    Raises:
        NonFiniteStepError: if a term of the loss or the gradient is not finite; the checkpoints of
            the good steps before stay the last.
        OSError: if a checkpoint cannot be written.
        Interrupted: if asked to stop.
        LostRankError: if another rank is gone.
    """
    method, optimiser = training.method, training.optimiser
    base_rates = [group["lr"] for group in optimiser.param_groups]
    state: dict[str, Any] = {"curve": [], "losses": {}, "seconds": 0.0, "num_items": 0}
    first_step = 0
    latest = checkpoint.load_latest(folder / "checkpoints") if ranks.rank == 0 else None
    # Of rank 0's finding: where a file is damaged, all go back to the same step.
    if (latest := ranks.broadcast(latest)) is not None:
        first_step, state = latest
        method.load_state_dict(state["method"])
        optimiser.load_state_dict(state["optimiser"])

    def save(step: int) -> None:
        if ranks.rank != 0:
            return
        tensors = {"method": method.state_dict(), "optimiser": optimiser.state_dict()}
        checkpoint.save(folder / "checkpoints", step, {**state, **tensors})
        lines = [json.dumps(record) for record in state["curve"]]
        write_atomically(folder / "metrics.jsonl", "".join(f"{x}\n" for x in lines).encode())

    method.train()
    interval = max(1, training.num_steps // NUM_CURVE_POINTS)
    saved_at = started = time.monotonic()
    # Nothing is read where no step is left: a control that never trains needs no full batch.
    batches = training.batches(first_step) if first_step < training.num_steps else iter(())
    with interruption.deferred() as requested:
        for step in range(first_step, training.num_steps):
            batch = next(batches)
            rate = training.rate(step)
            for group, base_rate in zip(optimiser.param_groups, base_rates, strict=True):
                group["lr"] = base_rate * rate
            torch.manual_seed(derive_seed(training.seed, "step", step))
            optimiser.zero_grad(set_to_none=True)
            try:
                total, parts = large_batch.backward(
                    method,
                    training.views(batch),
                    training.chunk_size,
                    precision=training.precision,
                    ranks=ranks,
                )
                losses = {**parts, "total": total}
                large_batch.check_finite({"gradient": _gradient_norm(method)})
            except large_batch.NonFiniteError as error:
                raise NonFiniteStepError(step, error.names) from error
            optimiser.step()

            now = time.monotonic()
            state["seconds"] += now - started
            state["num_items"] += training.batch_size
            started = now
            done = step + 1
            if step % interval == 0 or done == training.num_steps:
                state["losses"] = {name: float(value) for name, value in losses.items()}
                rates = {f"rate_{i}": g["lr"] for i, g in enumerate(optimiser.param_groups)}
                state["curve"].append({"step": step, **rates, **state["losses"]})
            name = requested()
            stopped_by = ranks.max(signal.Signals[name] if name else 0)  # all ranks stop as one
            if (
                done == training.num_steps
                or stopped_by
                or now - saved_at >= execution.checkpoint_seconds
            ):
                save(done)
                saved_at = time.monotonic()
            report(done / training.num_steps, f"step {done}/{training.num_steps}")
            if stopped_by:
                ranks.wait()  # for rank 0 to have saved
                raise interruption.Interrupted(signal.Signals(stopped_by).name)
    if training.num_steps == 0:
        save(0)
    return Trained(state["losses"], state["seconds"], state["num_items"])


def _gradient_norm(method: Method) -> Tensor:
    gradients = [p.grad for p in method.parameters() if p.grad is not None]
    return torch.nn.utils.get_total_norm(gradients)
