"""How fast a training step is on this machine's GPU, what it holds, and how long it waits for data.

    python benchmarks/throughput/gpu.py [--corpus FOLDER]
    python benchmarks/throughput/gpu.py --render

The first command measures and writes ``results/gpu-<name of the device>.json``; it ends with exit
code 2 if there is no CUDA device. The second writes ``results/gpu.md`` from all such files. What no
file holds is "not measured".
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from benchmarks.store import provenance
from benchmarks.throughput import gpu_parts
from benchmarks.throughput.device_name import file_stem, name_of
from benchmarks.throughput.gpu_parts import MODELS, Model
from iicl.config import Precision
from iicl.data.store import PreparedCorpus

RESULTS = Path(__file__).parent / "results"
PRECISIONS: tuple[Precision, ...] = ("float32", "tf32", "bf16")
LAYOUTS = {"contiguous": torch.contiguous_format, "channels-last": torch.channels_last_3d}
NUM_WORKERS = (8, 16)
MATRIX_SIDE = {"cuda": 8192, "cpu": 256}
NUM_ITEMS = 32
NOT_MEASURED = "not measured"

Rows = Mapping[str, Callable[[], float | None]]
"""Name and unit of each row -> the function that measures it; None: it cannot be measured here."""


@dataclass(frozen=True)
class Card:
    """A device to measure.

    Attributes:
        device: where to compute.
        corpus: items with video and sound; None where nothing is measured.
    """

    device: torch.device
    corpus: PreparedCorpus | None

    @cached_property
    def matrix_rate(self) -> float:
        """Operations a second of a product of bf16 matrices."""
        return gpu_parts.matrix_rate(MATRIX_SIDE[self.device.type], self.device)

    def step_seconds(self, model: Model, precision: Precision) -> float | None:
        """Of a step of one chunk; None for a precision that the device does not have."""
        if precision == "tf32" and self.device.type != "cuda":
            return None
        step = gpu_parts.TimedStep(model, self.device, precision, model.batch_size)
        return gpu_parts.seconds(step, self.device)

    def utilisation(self, model: Model) -> float:
        """Operations a second of a step, over those of a product of matrices; both in bf16."""
        step = gpu_parts.TimedStep(model, self.device, "bf16", model.batch_size)
        rate = gpu_parts.num_operations(step) / gpu_parts.seconds(step, self.device)
        return rate / self.matrix_rate

    def peak_bytes(self, model: Model) -> float | None:
        """Most memory that a step of one chunk holds."""
        step = gpu_parts.TimedStep(model, self.device, "bf16", model.batch_size)
        return gpu_parts.peak_bytes(step, self.device)

    def largest_batch(self, model: Model) -> float | None:
        """Most items, a multiple of 8 up to 4,096, of a step of one chunk."""
        if self.device.type != "cuda":
            return None
        has_room = partial(gpu_parts.fits, model, self.device, "bf16")
        return gpu_parts.largest(has_room, step=8, most=4096)

    def waiting_share(self, model: Model, num_workers: int) -> float:
        """Share of the time that a training waits for batches."""
        assert self.corpus is not None
        return gpu_parts.waiting_share(self.corpus, model, self.device, "bf16", num_workers)


def rows(card: Card, models: Mapping[str, Model]) -> Rows:
    """All that is measured."""
    measured: dict[str, Callable[[], float | None]] = {
        "product of bf16 matrices, TFLOP/s": lambda: card.matrix_rate / 1e12
    }
    for name, model in models.items():
        for precision in PRECISIONS:
            work = partial(card.step_seconds, model, precision)
            measured[f"{name}: step of {model.batch_size} in {precision}, ms"] = _times(1e3, work)
        measured |= {
            f"{name}: FLOP utilisation in bf16, %": _times(100, partial(card.utilisation, model)),
            f"{name}: peak memory in bf16, GiB": _times(2**-30, partial(card.peak_bytes, model)),
            f"{name}: largest chunk in bf16, items": partial(card.largest_batch, model),
        }
        for layout, memory in LAYOUTS.items():
            row = f"{name}: torchvision's R(2+1)D-18, {layout}, in bf16, ms"
            passes = partial(gpu_parts.layout_seconds, model, card.device, memory)
            measured[row] = _times(1e3, passes)
        for count in NUM_WORKERS:
            row = f"{name}: waiting for {count} workers, % of the time"
            measured[row] = _times(100, partial(card.waiting_share, model, count))
    return measured


def _times(factor: float, work: Callable[[], float | None]) -> Callable[[], float | None]:
    def scaled() -> float | None:
        value = work()
        return None if value is None else factor * value

    return scaled


def measure(measured: Rows) -> dict[str, float | None]:
    """The value of each row; None if it cannot be measured, or the device has too little memory."""
    values: dict[str, float | None] = {}
    for name, work in measured.items():
        try:
            values[name] = work()
        except torch.OutOfMemoryError:
            values[name] = None
        print(f"{name}: {_words(values[name])}", flush=True)
    return values


def table(names: Sequence[str], results: Sequence[Mapping[str, Any]]) -> str:
    """A Markdown table with a column for each device, or one that says that there is none."""
    titles = [result["device"] for result in results] or ["a GPU"]
    columns = [result["rows"] for result in results] or [{}]
    lines = [["", *titles], ["---", *["---:"] * len(titles)]]
    lines += [[name, *(_words(column.get(name)) for column in columns)] for name in names]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _words(value: float | None) -> str:
    return NOT_MEASURED if value is None else f"{value:.3g}"


def main(words: Sequence[str] | None = None) -> int:
    """Measure, or render what was measured; the exit code."""
    arguments = _parse(words)
    device = torch.device(arguments.device)
    models = {name: MODELS[name] for name in arguments.models}
    arguments.out.mkdir(parents=True, exist_ok=True)
    if arguments.render:
        names = list(rows(Card(device, None), models))
        results = [
            json.loads(path.read_text()) for path in sorted(arguments.out.glob("gpu-*.json"))
        ]
        (arguments.out / "gpu.md").write_text(table(names, results))
        return 0
    if device.type == "cuda" and not torch.cuda.is_available():
        print("this machine has no CUDA device: nothing is measured", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as temporary:
        try:
            corpus = PreparedCorpus.open(arguments.corpus or _write_corpus(Path(temporary)))
        except ValueError as problem:
            print(problem, file=sys.stderr)
            return 2
        values = measure(rows(Card(device, corpus), models))
    name = name_of(device.type)
    result = {"device": name, **provenance.describe(torch.get_num_threads()), "rows": values}
    path = arguments.out / f"gpu-{file_stem(name)}.json"
    path.write_text(json.dumps(result, indent=2) + "\n")
    return 0


def _write_corpus(folder: Path) -> Path:
    """A prepared corpus of clips like Kinetics'."""
    from benchmarks.throughput.loader_rate import write_original
    from iicl.config import Preparation
    from iicl.data.prepare import prepare

    clips = folder / "source" / "clips"
    clips.mkdir(parents=True)
    for number in range(NUM_ITEMS):
        write_original(clips / f"{number:03d}.mp4", number)
    prepared = folder / "prepared"
    prepare(
        "folder",
        folder / "source",
        prepared,
        corpus="gpu",
        preparation=Preparation(),
        num_workers=max(NUM_WORKERS),
    )
    return prepared


def _parse(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--device", choices=list(MATRIX_SIDE), default="cuda", help="cpu only tries the parts"
    )
    parser.add_argument("--models", nargs="+", choices=list(MODELS), default=["desk", "full"])
    parser.add_argument("--corpus", type=Path, help="prepared corpus; default: clips made now")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    parser.add_argument("--render", action="store_true", help="write gpu.md from the results")
    return parser.parse_args(words)


if __name__ == "__main__":
    from slurm.command_line import survive_closed_pipes

    survive_closed_pipes()
    sys.exit(main())
