"""What the guard times: one small, repeatable piece of work for each part of the project.

``CASES`` holds them by name. Every commit is timed through its own copy of this file, so a case
may follow the code that it calls. If the work itself changes, change ``work`` too: the guard
compares two commits only where both describe the work of a part in the same words.

Each case runs on one thread. Inputs are made before the clock starts and do not change from one
repetition to the next. Nothing of the project is imported at the top:
names and thresholds are read without torch.
"""

import contextlib
import functools
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Body = Callable[[], object]
"""One repetition."""

ROOT = Path(__file__).resolve().parents[2]
NUM_ITEMS = 24
NUM_STATUS_RUNS = 200
GRAPH_MEMORY = 2 * 2**30  # bytes
SEED = 0
STEP_THRESHOLD, THRESHOLD = 1.04, 1.05


@dataclass(frozen=True)
class Place:
    """Where a case runs.

    Attributes:
        folder: for files that its setup makes; a later process finds them there again.
        device: torch's name of a device, "cpu" or "cuda".
    """

    folder: Path
    device: str = "cpu"


Setup = Callable[[Place], Body]
Sizes = tuple[int, int, int, int, int]
"""Width and depth of both encoders, frames and side of a clip, R(2+1)D's ``middle_multiple``."""


@dataclass(frozen=True)
class Case:
    """A part of the project as a piece of work.

    Attributes:
        work: what one repetition does, with its sizes.
        setup: makes the inputs and gives the function that is timed.
        threshold: smallest ratio of times, now / before, that counts as slower; more than 1.
        is_on_device: whether it also runs on a GPU.
        is_guarded: whether the guard times it; the others are for the table of results only.
    """

    work: str
    setup: Setup
    threshold: float = THRESHOLD
    is_on_device: bool = False
    is_guarded: bool = True


def _step(place: Place, sizes: Sizes, batch_size: int, chunk_size: int) -> Body:
    """A step of IICL's second phase: encode, loss, backward, Adam."""
    import torch

    from iicl import methods
    from iicl.config import CorpusFacts
    from iicl.encoders.choice import Encoders
    from iicl.training.large_batch import backward

    torch.manual_seed(SEED)
    width, depth, frames, side, multiple = sizes
    both = {"width": width, "depth": depth}
    flat = {f"{view}_{name}": both[name] for view in ("video", "audio") for name in both}
    flat["video_middle_multiple"] = multiple
    facts = CorpusFacts(
        corpus="none", num_items=0, classes=(), num_groups=0, log_mel_mean=0, log_mel_std=1
    )
    settings = methods.read_settings({"name": "iicl"})
    method = methods.build(settings, "co_training", Encoders.model_validate(flat), facts)
    method.to(place.device).train()
    optimiser = torch.optim.Adam(method.parameters(), lr=5e-4, weight_decay=1e-6, fused=True)
    batch = {
        "video": torch.randn(batch_size, 3, frames, side, side, device=place.device),
        "audio": torch.randn(batch_size, 1, 40, 100, device=place.device),
    }

    def body() -> None:
        optimiser.zero_grad(set_to_none=True)
        backward(method, batch, chunk_size, precision="float32", graph_memory=GRAPH_MEMORY)
        optimiser.step()

    return body


def _training(work: str, sizes: Sizes, items: int, chunk: int, is_guarded: bool = True) -> Case:
    # Not functools.partial: cases of another commit put a function of their own in this place.
    def setup(place: Place) -> Body:
        return _step(place, sizes, items, chunk)

    return Case(work, setup, STEP_THRESHOLD, is_on_device=True, is_guarded=is_guarded)


def _loader_of(place: Place) -> Any:
    """A loader of one epoch of generated clips, in this process."""
    from iicl.config import Augmentation, Clip, Preparation
    from iicl.data.draws import Contents
    from iicl.data.loader import make_loader
    from iicl.data.prepare import prepare
    from iicl.data.sampling import Batching
    from iicl.data.store import PreparedCorpus
    from iicl.data.synthetic.write import generate
    from iicl.samples import AUDIO, VIDEO

    source, prepared = place.folder / "source", place.folder / "prepared"
    generate("audioset", source, num_items=NUM_ITEMS, seed=SEED)
    kept = Preparation(short_side=32, max_fps=8.0)
    prepare("audioset", source, prepared, corpus="audioset", preparation=kept, num_workers=0)
    corpus = PreparedCorpus.open(prepared)
    return make_loader(
        corpus,
        corpus.select(["video", "audio"]),
        Contents(Clip(num_frames=8, fps=8.0, size=32), (VIDEO, AUDIO), Augmentation()),
        Batching(sampling="random", batch_size=8, epochs=range(1), seed=SEED),
    )


def _loader(place: Place) -> Body:
    loader = _loader_of(place)
    return lambda: sum(1 for _ in loader)


def _views(place: Place) -> Body:
    import torch

    from iicl.config import Clip
    from iicl.data.transforms import make_views

    batch = next(iter(_loader_of(place)))
    clip, device = Clip(num_frames=8, fps=8.0, size=32), torch.device(place.device)
    return lambda: make_views(batch, clip, device)


def _instance_loss(place: Place) -> Body:
    import torch

    from iicl.losses import instance_loss

    torch.manual_seed(SEED)
    views = torch.randn(2, 512, 128, device=place.device)
    return _with_gradient(functools.partial(instance_loss, temperature=0.1), views)


def _cluster_loss(place: Place) -> Body:
    import torch

    from iicl.losses import cluster_loss

    torch.manual_seed(SEED)
    views = torch.randn(2, 256, 400, device=place.device).softmax(dim=2)
    return _with_gradient(functools.partial(cluster_loss, temperature=1.0), views)


def _with_gradient(loss: Callable[..., dict[str, Any]], views: Any) -> Body:
    """A loss of two views, (2, N, D), and its gradient with respect to both."""
    import torch

    first, second = (view.requires_grad_() for view in views.unbind())
    return lambda: torch.autograd.grad(sum(loss(first, second).values()), (first, second))


def queries_and_gallery() -> tuple[Any, Any]:
    """Vectors, (500, 512) and (6000, 512)."""
    import numpy as np

    generator = np.random.default_rng(SEED)
    queries = generator.standard_normal((500, 512), dtype=np.float32)
    return queries, generator.standard_normal((6000, 512), dtype=np.float32)


def _retrieval(place: Place) -> Body:
    from iicl.evaluation.retrieval import hits_at

    queries, gallery = queries_and_gallery()
    labels = [str(number % 101) for number in range(6000)]
    return lambda: hits_at(queries, labels[:500], gallery, labels, (1, 5, 10, 20, 50))


def pairs_of_vectors() -> tuple[Any, Any, Any]:
    """Unit vectors of queries and of their partners, (1000, 512) each, and 1,000 class numbers."""
    import numpy as np

    generator = np.random.default_rng(SEED)
    vectors = generator.standard_normal((2, 1000, 512), dtype=np.float32)
    queries, gallery = vectors / np.linalg.norm(vectors, axis=2, keepdims=True)
    return queries, gallery, generator.integers(0, 101, 1000)


def _mean_average_precision(place: Place) -> Body:
    from iicl.evaluation.crossmodal import average_precision
    from iicl.evaluation.pairs import LabelTable

    queries, gallery, labels = pairs_of_vectors()
    classes = LabelTable.of([frozenset({str(label)}) for label in labels])
    return lambda: average_precision(queries, gallery, classes, SEED)


def _planner(place: Place) -> Body:
    words = ["--table", "all", "--dry-run", "--scale", "desk", "--home", str(place.folder)]
    return lambda: _command(words)


def _command(words: list[str]) -> None:
    """A command of the suite, in this process and without its output."""
    from benchmarks import run

    silence = io.StringIO()
    with contextlib.redirect_stdout(silence), contextlib.redirect_stderr(silence):
        code = run.main(words)
    assert code == 0, silence.getvalue()


def _status(place: Place) -> Body:
    seeds = [str(number) for number in range(5)]
    words = ["--table", "II", "--scale", "smoke", "--home", str(place.folder)]
    words += ["--status", "--seeds", *seeds]
    if not (place.folder / "filled").exists():
        _fill_home(words)
        (place.folder / "filled").touch()
    return lambda: _command(words)


def _fill_home(words: list[str]) -> None:
    """Give the first runs that a command plans a folder each: claimed, running, failed or done."""
    from benchmarks import run, stages
    from benchmarks.launch import request
    from benchmarks.store import provenance

    launch = request.read(run.parser().parse_args(words), stages, ROOT)
    planned = list(launch.plan().runs.values())
    assert len(planned) >= NUM_STATUS_RUNS, len(planned)
    record = {**provenance.describe(1), "job": "1", "site": "local", "num_ranks": 1, "num_nodes": 1}
    for number, one in enumerate(planned[:NUM_STATUS_RUNS]):
        folder = launch.home.run(one.id)
        assert launch.home.claim(one.id, one.record())
        if number % 4:
            folder.begin_attempt(record)
            folder.report(0.5, "step 5/10")
            folder.log().write_text("a line\n" * 1000)
        if number % 4 > 1:
            folder.release()
        if number % 4 == 2:
            folder.fail("RuntimeError: no luck")
        if number % 4 == 3:
            folder.finish({"metrics": {}, "seconds": 1.0})


def _rendering(place: Place) -> Body:
    from benchmarks.render import document_file, markdown, plot

    text = (ROOT / "benchmarks" / "throughput" / "document.json").read_text()

    def body() -> None:
        document = document_file.from_json(text)
        markdown.markdown(document)
        plot.draw(document)

    return body


CASES: Mapping[str, Case] = {
    "desk step": _training(
        "IICL, width 16, one block, 8x32x32, batch 32", (16, 1, 8, 32, 1), 32, 32
    ),
    "full step": _training("IICL, R(2+1)D-18, 4x40x40, batch 2", (64, 2, 4, 40, 1), 2, 2),
    "large batch": _training("the desk step, batch 16 in two chunks", (16, 1, 8, 32, 1), 16, 8),
    "loader": Case(f"{NUM_ITEMS} clips of 8x32x32 with sound", _loader),
    "views": Case("8 clips of 8x32x32 with sound, augmented", _views, is_on_device=True),
    "instance loss": Case("512 items of 128, with gradient", _instance_loss, is_on_device=True),
    "cluster loss": Case("256 items of 400, with gradient", _cluster_loss, is_on_device=True),
    "retrieval": Case("500 queries, 6,000 items of 512, the 50 nearest", _retrieval),
    "mAP": Case("1,000 queries, 1,000 items of 512, 101 classes", _mean_average_precision),
    "planner": Case("a dry run of the paper's six tables", _planner),
    "--status": Case(f"{NUM_STATUS_RUNS} folders of runs of Table II", _status),
    "rendering": Case("one table: read, Markdown and plot", _rendering),
    "desk scale": _training(
        "desk step, channels as desk scale has them", (16, 1, 8, 32, 8), 32, 32, is_guarded=False
    ),
    "paper step": _training(
        "IICL, R(2+1)D-18, 16x112x112, batch 2", (64, 2, 16, 112, 1), 2, 2, is_guarded=False
    ),
}
