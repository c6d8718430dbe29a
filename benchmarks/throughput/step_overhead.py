"""What a training step costs beyond the forward and backward of its two encoders.

Both are timed in turn within one run, so that a change of the machine's speed meets both alike.
The bare pass sums the features and sends ones back; the step adds co-attention, heads, losses,
finiteness checks and Adam. Prints the median of the rounds' ratios; the target is 1.15 or less.

    python benchmarks/throughput/step_overhead.py
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

sys.path[0] = str(Path(__file__).resolve().parents[2])

from iicl import methods  # noqa: E402
from iicl.config import CorpusFacts, Precision  # noqa: E402
from iicl.encoders.choice import Encoders  # noqa: E402
from iicl.methods.base import Method  # noqa: E402
from iicl.training.large_batch import backward  # noqa: E402

TARGET = 1.15


def main() -> None:
    """Measure as the command line asks and print the ratio."""
    arguments = _parse()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    sizes = Encoders.model_validate(
        {
            f"{view}_{setting}": getattr(arguments, setting)
            for view in ("video", "audio")
            for setting in ("width", "depth")
        }
    )
    facts = CorpusFacts(
        corpus="none", num_items=0, classes=(), num_groups=0, log_mel_mean=0, log_mel_std=1
    )
    device = torch.device(arguments.device)
    method = methods.build(methods.read_settings({"name": "iicl"}), "co_training", sizes, facts).to(
        device
    )
    optimiser = torch.optim.Adam(method.parameters(), lr=5e-4, weight_decay=1e-6)
    side = arguments.size
    views = {
        "video": torch.randn(arguments.batch, 3, arguments.frames, side, side, device=device),
        "audio": torch.randn(arguments.batch, 1, 40, 100, device=device),
    }

    def bare() -> None:
        _encoders_only(method, views, arguments.precision)
        method.zero_grad()

    def step() -> None:
        backward(method, views, arguments.batch, precision=arguments.precision)
        optimiser.step()
        optimiser.zero_grad()

    rounds = []
    for number in range(arguments.rounds + 1):
        times = _seconds(bare, device), _seconds(step, device)
        if number:  # the first round warms up
            rounds.append(times)
            print(f"round {number}: bare {times[0]:.3f} s, step {times[1]:.3f} s", flush=True)
    ratio = statistics.median(full / plain for plain, full in rounds)
    print(
        f"step / bare encoders = {ratio:.3f} (target <= {TARGET}); R(2+1)D and ResNet of width "
        f"{arguments.width}, depth {arguments.depth}, {arguments.batch} clips of "
        f"{arguments.frames}x{side}x{side}, {arguments.precision}, {device}, "
        f"{arguments.threads} threads"
    )


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--depth", type=int, default=2)
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--size", type=int, default=112)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--precision", choices=["float32", "bf16"], default="bf16")
    parser.add_argument("--device", default="cpu")
    return parser.parse_args()


def _encoders_only(method: Method, views: dict[str, torch.Tensor], precision: Precision) -> None:
    device = views["video"].device.type
    with torch.autocast(device, dtype=torch.bfloat16, enabled=precision == "bf16"):
        features = method.encode(views)
    sum(feature.sum() for feature in features.values()).backward()  # type: ignore[union-attr]


def _seconds(run: Callable[[], None], device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


if __name__ == "__main__":
    from slurm.command_line import survive_closed_pipes

    survive_closed_pipes()
    main()
