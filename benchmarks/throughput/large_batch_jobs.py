"""What one process measures for ``large_batch.py``; its one argument is a job as JSON."""
# ruff: noqa: E402 (the project must be on the path first)

import json
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

sys.path[0] = str(Path(__file__).resolve().parents[2])

from benchmarks.throughput import clock
from iicl import methods
from iicl.config import CorpusFacts
from iicl.encoders.choice import Encoders
from iicl.methods.base import Method
from iicl.training.distributed import connect
from iicl.training.graph_memory import measured_graph
from iicl.training.large_batch import backward

STEPS = 2  # timed in each process, after one that warms up


def main() -> None:
    """Print what the job returns, as JSON."""
    job = json.loads(sys.argv[1])
    print(json.dumps(JOBS[job.pop("kind")](**job)))


def _made(
    device: str, width: int, frames: int, size: int, batch: int
) -> tuple[Method, dict[str, torch.Tensor]]:
    """The method IICL and a random batch for it."""
    torch.manual_seed(0)
    facts = CorpusFacts(
        corpus="none", num_items=0, classes=(), num_groups=0, log_mel_mean=0, log_mel_std=1
    )
    sizes = {f"{view}_width": width for view in ("video", "audio")}
    sizes |= {f"{view}_depth": 1 for view in ("video", "audio")}
    settings = methods.read_settings({"name": "iicl"})
    encoders = Encoders.model_validate(sizes)
    method = methods.build(settings, "co_training", encoders, facts).to(device).train()
    shapes = {"video": (3, frames, size, size), "audio": (1, 40, 100)}
    return method, {n: torch.randn(batch, *shape, device=device) for n, shape in shapes.items()}


def step_job(chunk: int, memory: int, device: str, **network: Any) -> dict[str, Any]:
    """Seconds of a step, and the memory that it takes beside weights and batch, at its peak."""
    method, batch = _made(device, **network)
    before = _peak_bytes(device)

    def step() -> None:
        backward(method, batch, chunk, graph_memory=memory)
        method.zero_grad()

    step()
    peak = _peak_bytes(device) - before
    seconds = statistics.median(clock.seconds(step, device) for _ in range(STEPS))
    with measured_graph([*method.parameters(), *batch.values()]) as graph:
        method.encode({name: sample[:chunk] for name, sample in batch.items()})
    return {"seconds": seconds, "peak_bytes": peak, "graph_bytes": graph.num_bytes}


def exactness_job(chunk: int, rounds: int, device: str, **network: Any) -> dict[str, Any]:
    """Seconds of three kinds of step, in turn, and their ratios to the plain one."""
    method, batch = _made(device, **network)

    def plain() -> None:
        chunks = zip(*(sample.split(chunk) for sample in batch.values()), strict=True)
        encoded = [method.encode(dict(zip(batch, samples, strict=True))) for samples in chunks]
        features = {name: torch.cat([one[name] for one in encoded]) for name in encoded[0]}
        method.loss(features)[0].backward()

    kinds: dict[str, Callable[[], Any]] = {
        "plain": plain,
        "all graphs kept": lambda: backward(method, batch, chunk, graph_memory=2**60),
        "one graph kept": lambda: backward(method, batch, chunk),
    }
    times: dict[str, list[float]] = {name: [] for name in kinds}
    for number in range(rounds):
        for name, step in kinds.items():
            seconds = clock.seconds(step, device)
            method.zero_grad()
            if number:  # the first round warms up
                times[name].append(seconds)
    ratios = {
        name: statistics.median(a / b for a, b in zip(times[name], times["plain"], strict=True))
        for name in kinds
    }
    return {
        "chunk": chunk,
        "pairs": rounds - 1,
        "seconds": {name: statistics.median(values) for name, values in times.items()},
        "ratios": ratios,
        "parameters": sum(p.numel() for p in method.parameters()),
    }


def exchange_job(parameters: int, rounds: int) -> dict[str, float]:
    """Seconds, on this rank's clock, to add up so many numbers over the ranks."""
    times: dict[str, list[float]] = {"float64": [], "float32": []}
    with connect("cpu") as ranks:
        for _ in range(rounds):
            for name, values in times.items():
                numbers = torch.ones(parameters, dtype=getattr(torch, name))
                ranks.wait()
                start = time.perf_counter()
                ranks.sum(numbers)
                values.append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}


JOBS: dict[str, Callable[..., dict[str, Any]]] = {
    "step": step_job,
    "exactness": exactness_job,
    "exchange": exchange_job,
}


def _peak_bytes(device: str) -> int:
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated()
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


if __name__ == "__main__":
    from slurm.command_line import survive_closed_pipes

    survive_closed_pipes()
    main()
