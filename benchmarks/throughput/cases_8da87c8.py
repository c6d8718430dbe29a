"""The cases for commit 8da87c8, "before" in the table of results: what is called otherwise there.

It takes ``cases.py`` beside it and puts that commit's calls in the place of the present ones.
"""

# mypy: ignore-errors
# The modules that it imports are those of that commit.

import dataclasses
import importlib.util
import sys
from pathlib import Path
from typing import Any

_SPEC = importlib.util.spec_from_file_location("cases", Path(__file__).with_name("cases.py"))
cases = importlib.util.module_from_spec(_SPEC)
sys.modules["cases"] = cases  # dataclasses ask for it
_SPEC.loader.exec_module(cases)
Place = cases.Place


def _step(place: Any, sizes: tuple[int, ...], batch_size: int, chunk_size: int) -> Any:
    import torch

    from iicl import config, methods
    from iicl.training.large_batch import backward

    torch.manual_seed(cases.SEED)
    width, depth, frames, side, _ = sizes  # channels could not be rounded
    both = {"width": width, "depth": depth}
    flat = {f"{view}_{name}": both[name] for view in ("video", "audio") for name in both}
    method = methods.build(config.IICL(), "co_training", config.Encoders(**flat))
    method.to(place.device).train()
    optimiser = torch.optim.Adam(method.parameters(), lr=5e-4, weight_decay=1e-6)
    batch = {
        "video": torch.randn(batch_size, 3, frames, side, side, device=place.device),
        "audio": torch.randn(batch_size, 1, 40, 100, device=place.device),
    }

    def body() -> None:
        optimiser.zero_grad(set_to_none=True)
        backward(method, batch, chunk_size, precision="float32")
        optimiser.step()

    return body


def _loader_of(place: Any) -> Any:
    from iicl.config import Augmentation, Clip, Preparation
    from iicl.data.loader import make_loader
    from iicl.data.prepare import prepare
    from iicl.data.store import PreparedCorpus
    from iicl.data.synthetic.write import generate

    source, prepared = place.folder / "source", place.folder / "prepared"
    generate("audioset", source, num_items=cases.NUM_ITEMS, seed=cases.SEED)
    kept = Preparation(short_side=32, max_fps=8.0)
    prepare("audioset", source, prepared, corpus="audioset", preparation=kept, num_workers=0)
    corpus = PreparedCorpus.open(prepared)
    return make_loader(
        corpus,
        corpus.select(["video", "audio"]),
        Clip(num_frames=8, fps=8.0, size=32),
        views=["video", "audio"],
        sampling="random",
        augmentation=Augmentation(),
        batch_size=8,
        seed=cases.SEED,
    )


def _mean_average_precision(place: Any) -> Any:
    import numpy as np

    from iicl.evaluation.crossmodal import average_precision

    queries, gallery, labels = cases.pairs_of_vectors()
    relevant = np.equal.outer(labels, labels)
    return lambda: average_precision(queries, gallery, relevant, cases.SEED)


def _fill_home(words: list[str]) -> None:
    from benchmarks import call, request, run, stages

    root = Path(run.__file__).parents[1]
    launch = request.read(run.parser().parse_args(words), stages, root)
    for number, (run_id, planned) in enumerate(launch.plan().runs.items()):
        if number == cases.NUM_STATUS_RUNS:
            break
        (launch.home.runs / run_id).mkdir(parents=True)
        assert launch.home.claim(run_id, call.record(planned))
        if number % 4:
            launch.home.begin_attempt(run_id, {"job": "1"})
            launch.home.report(run_id, 0.5, "step 5/10")
            launch.home.log(run_id).write_text("a line\n" * 1000)
        if number % 4 > 1:
            launch.home.release(run_id)
        if number % 4 == 2:
            launch.home.fail(run_id, "RuntimeError: no luck")
        if number % 4 == 3:
            launch.home.finish(run_id, {"metrics": {}, "seconds": 1.0})


def _rendering(place: Any) -> Any:
    from benchmarks import document, plot, render

    text = (cases.ROOT / "benchmarks" / "throughput" / "document.json").read_text()

    def body() -> None:
        parsed = document.from_json(text)
        render.markdown(parsed)
        plot.draw(parsed)

    return body


cases._step, cases._loader_of, cases._fill_home = _step, _loader_of, _fill_home
_CHANGED = {"mAP": _mean_average_precision, "rendering": _rendering}
CASES = {
    name: dataclasses.replace(case, setup=_CHANGED.get(name, case.setup))
    for name, case in cases.CASES.items()
}
