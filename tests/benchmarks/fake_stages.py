"""Stages that cost nothing: the real settings and defaults, invented but plausible results.

``execution`` steers them: ``{"fail": [stage, ...]}`` raises, ``{"kill": [stage, ...]}`` dies,
``{"mark": folder}`` leaves one file per execution.
"""

import hashlib
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from benchmarks import stages

PRELOAD = ["json"]
STAGES, resolve = stages.STAGES, stages.resolve
metrics, needs, splits = stages.metrics, stages.needs, stages.splits
items_trained_on, work = stages.items_trained_on, stages.work
default_encoders, check_encoder = stages.default_encoders, stages.check_encoder
ITEM_ERROR = {
    "num_items": 478,
    "num_groups": 90,
    "standard_error": 0.03,
    "standard_error_items": 0.02,
}


def code_modules(resolved: Mapping[str, Any]) -> list[str]:
    return ["iicl.config"]


@dataclass(frozen=True)
class Facts:
    system: str
    encoders: tuple[str, ...]
    samples: tuple[str, ...]
    clips_per_item: int
    encodings_per_step: int
    encodings: int | None
    optimisation: str


def describe(resolved: Mapping[str, Any], counts: Mapping[str, int]) -> Facts:
    name = resolved["method"]["name"]
    encodings = 2 * resolved["epochs"] * counts[items_trained_on(resolved)]
    return Facts(name, ("video: a network",), ("video", "audio"), 1, 2, encodings, "adam")


def corpus_header(out: Path) -> dict[str, Any] | None:
    path = out / "manifest.json"
    return json.loads(path.read_text()) if path.exists() else None


def reader(corpus: str, source: Path) -> str:
    return corpus


def prepare(
    corpus: str,
    source: Path | None,
    generate: Mapping[str, Any] | None,
    preparation: Mapping[str, Any],
    out: Path,
    num_workers: int,
    progress: Callable[[int, int], None],
) -> dict[str, Any]:
    if source is not None and not any(source.iterdir()):
        raise ValueError(f"nothing usable in {source.name}")
    num_items = 13320 if source else 1080
    num_usable = sum(1 for _ in source.iterdir()) if source else num_items
    counts = {"all": num_usable, "1/train": 600, "1/train/with_sound": 600, "1/test": 480}
    counts |= {"2/train": 600, "2/test": 480, "3/train": 600, "3/test": 480}
    own = source is None or (source / "official").exists()
    header = {
        "hash": hashlib.sha256(f"{corpus}{num_usable}{generate}".encode()).hexdigest(),
        "reader": corpus if own else "folder",
        "num_items": num_items if own else num_usable,
        "num_usable": num_usable,
        "counts": counts,
    }
    progress(num_items, num_items)
    out.mkdir(parents=True, exist_ok=True)
    (out / "manifest.json").write_text(json.dumps(header))
    return header


def survey(
    corpus: str, source: Path, preparation: Mapping[str, Any], out: Path
) -> tuple[bool, int, str]:
    return False, 5, "fingerprint"


def run(
    resolved: Mapping[str, Any],
    *,
    corpora: Mapping[str, Path],
    upstream: Mapping[str, Path],
    out: Path,
    execution: Mapping[str, Any],
    report: Callable[[float, str], None],
) -> dict[str, Any]:
    stage = resolved["stage"]
    print(f"running {stage}")
    if "mark" in execution:
        name = hashlib.sha256(json.dumps([resolved, str(out)]).encode()).hexdigest()[:16]
        with (Path(execution["mark"]) / f"{name}").open("a") as file:
            file.write(f"{os.getpid()}\n")
    if stage in execution.get("kill", ()):
        print("about to die", file=sys.stderr, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    if stage in execution.get("fail", ()):
        raise RuntimeError(f"{stage} cannot")
    report(0.5, "half way")
    before = {}
    for role, folder in upstream.items():
        before[role] = json.loads((folder / "data.json").read_text())
    method = resolved.get("method") or next(iter(before.values()))["method"]
    (out / "data.json").write_text(json.dumps({"method": method}))
    if stage in ("pretrain", "features"):
        return {"metrics": {}, "clips_per_second": 100.0}
    names = metrics(resolved)
    values: dict[str, float | None] = {name: _value(name, method, resolved) for name in names}
    if stage == "crossmodal":
        values |= {name: None for name in names if name.endswith("_1000")}
    return {
        "metrics": values,
        "chance": {name: None if value is None else 1 / 12 for name, value in values.items()},
        "item_errors": {name: ITEM_ERROR for name, value in values.items() if value is not None},
        "num_evaluated": 478,
        "num_expected": 480,
        "selection": "last",
    }


def neighbours(folder: Path) -> Any:
    import numpy as np

    assert (folder / "data.json").exists()
    rng = np.random.default_rng(0)
    return SimpleNamespace(  # as iicl.evaluation.neighbours.StoredNeighbours, without torch
        ids=["a", "b", "c"],
        labels=[["Hop, beep"], ["Spin, a sound with a very long name"], ["Hop, beep"]],
        anchors=np.array([0]),
        neighbours=np.array([[[2, 1], [2, 1], [1, 2], [1, 2]]]),
        similarities=np.full((1, 4, 2), 0.5, np.float32),
        frames=rng.integers(0, 255, (3, 3, 8, 8, 3), dtype=np.uint8),
        spectrograms=rng.normal(size=(3, 4, 10)).astype(np.float16),
    )


def _value(name: str, method: Mapping[str, Any], resolved: Mapping[str, Any]) -> float:
    base = {"random_init": 0.30, "mfcc": 0.35, "iicl": 0.50, "supervised": 0.70}[method["name"]]
    described = json.dumps([resolved["stage"], name, method, resolved["seed"]])
    noise = int(hashlib.sha256(described.encode()).hexdigest(), 16)
    return base + 0.01 * (method.get("clusters", 20) % 7) + (noise % 1000) / 100_000


def listen(leave: Callable[[str], None]) -> None:
    pass


def interruption(problem: Exception) -> str | None:
    return None


def kernels() -> dict[str, str]:
    return {"torch": "AVX2", "oneDNN": "3.0"}
