"""What is measured on a GPU: a step's time, memory and use of the card, and waiting for the loader.

Every function takes the device, so that all of them can be tried on a CPU.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models.video import r2plus1d_18

from iicl import methods
from iicl.config import Augmentation, Clip, CorpusFacts, Precision
from iicl.data.draws import Contents
from iicl.data.sampling import Batching
from iicl.data.store import PreparedCorpus
from iicl.encoders.choice import Encoders
from iicl.training.large_batch import backward, finite_means
from iicl.training.recipe import TrainItems

NUM_ROUNDS = 5
PHASE = "co_training"


@dataclass(frozen=True)
class Model:
    """Sizes of both encoders, of their inputs, and of a batch."""

    width: int
    depth: int
    clip: Clip
    batch_size: int


MODELS = {
    "smoke": Model(2, 1, Clip(num_frames=4, fps=8, size=16, audio_seconds=1), 4),
    "desk": Model(16, 1, Clip(num_frames=8, fps=8, size=32), 32),
    "full": Model(64, 2, Clip(num_frames=16, size=112), 32),
}


class TimedStep:
    """A training step of IICL's second phase; a call takes one.

    Args:
        model: sizes.
        device: where to compute.
        precision: of the encoders.
        batch_size: items, all encoded together.
    """

    def __init__(
        self, model: Model, device: torch.device, precision: Precision, batch_size: int
    ) -> None:
        torch.manual_seed(0)
        sizes = {
            f"{v}_{s}": getattr(model, s) for v in ("video", "audio") for s in ("width", "depth")
        }
        encoders = Encoders.model_validate(sizes)
        facts = CorpusFacts(
            corpus="none", num_items=0, classes=(), num_groups=0, log_mel_mean=0, log_mel_std=1
        )
        self.settings = methods.read_settings({"name": "iicl"})
        self.method = methods.build(self.settings, PHASE, encoders, facts).to(device)
        self.optimiser = torch.optim.Adam(self.method.parameters())
        self.precision = precision
        self.samples = {
            view: torch.randn(batch_size, *encoders.of(view).input_shape(model.clip), device=device)
            for view in self.method.samples
        }

    def __call__(self) -> None:
        """Encode, take the loss, go back, and change the weights."""
        self.optimiser.zero_grad(set_to_none=True)
        batch_size = len(self.samples["video"])
        loss = backward(self.method, self.samples, batch_size, precision=self.precision)
        finite_means({**loss.parts, "total": loss.total})
        self.optimiser.step()


def seconds(work: Callable[[], object], device: torch.device) -> float:
    """Median time of a call, until the device is done; a first call does not count."""
    times = []
    for _ in range(NUM_ROUNDS + 1):
        _wait(device)
        started = time.perf_counter()
        work()
        _wait(device)
        times.append(time.perf_counter() - started)
    return statistics.median(times[1:])


def matrix_rate(side: int, device: torch.device) -> float:
    """Operations a second of a product of square bf16 matrices; a product and its sum are two."""
    first, second = (torch.randn(side, side, device=device).bfloat16() for _ in range(2))
    return 2 * side**3 / seconds(lambda: first @ second, device)


def num_operations(work: Callable[[], object]) -> int:
    """Operations of all matrix products and convolutions of a call; product and sum are two."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops()


def peak_bytes(work: Callable[[], object], device: torch.device) -> int | None:
    """Most memory of a CUDA device that a call holds; None elsewhere, where torch counts none."""
    if device.type != "cuda":
        return None
    torch.cuda.reset_peak_memory_stats(device)
    work()
    return torch.cuda.max_memory_allocated(device)


def fits(model: Model, device: torch.device, precision: Precision, batch_size: int) -> bool:
    """Whether a step of one chunk has room on the device."""
    try:
        TimedStep(model, device, precision, batch_size)()
    except torch.OutOfMemoryError:
        return False
    finally:
        torch.cuda.empty_cache()
    return True


def largest(has_room: Callable[[int], bool], step: int, most: int) -> int:
    """The largest multiple of ``step`` up to ``most`` that has room; 0 if none has."""
    low, high = 0, most // step + 1  # low has room; high has none, or is too large
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if has_room(middle * step) else (low, middle)
    return low * step


def layout_seconds(model: Model, device: torch.device, layout: torch.memory_format) -> float:
    """Forward and backward of torchvision's R(2+1)D-18 in bf16, with its memory in a layout."""
    torch.manual_seed(0)
    network = r2plus1d_18().to(device, memory_format=layout)
    size = model.clip.size
    video = torch.randn(model.batch_size, 3, model.clip.num_frames, size, size, device=device)
    video = video.contiguous(memory_format=layout)

    def work() -> None:
        network.zero_grad(set_to_none=True)
        with torch.autocast(device.type, dtype=torch.bfloat16):
            total = network(video).sum()
        total.backward()

    return seconds(work, device)


def waiting_share(
    corpus: PreparedCorpus,
    model: Model,
    device: torch.device,
    precision: Precision,
    num_workers: int,
    num_steps: int = 20,
) -> float:
    """Share of the time that training spends waiting for batches, 0 to 1.

    Args:
        corpus: where to read; its items are read again and again.
        model: sizes.
        device: where to compute.
        precision: of the encoders.
        num_workers: processes that decode.
        num_steps: steps after the first two, which do not count.
    """
    step = TimedStep(model, device, precision, model.batch_size)
    positions = corpus.select(["video", "audio"])
    items = TrainItems(
        corpus,
        positions * (1 + model.batch_size // len(positions)),
        Contents(model.clip, step.settings.samples(PHASE), Augmentation()),
        Batching("random", model.batch_size, epochs=range(1_000_000), drop_last=True),
        num_workers,
        device,
    )
    batches = items.batches(0)
    waited = worked = 0.0
    for number in range(num_steps + 2):
        started = time.perf_counter()
        batch = next(batches)
        received = time.perf_counter()
        step.samples = items.samples(batch)
        step()
        _wait(device)
        if number >= 2:
            waited += received - started
            worked += time.perf_counter() - received
    return waited / (waited + worked)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
