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
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from benchmarks import stages
from iicl import config

PRELOAD = ["json"]
metrics = stages.metrics
STAGES = ("pretrain", "features", "retrieval", "linear", "finetune")


def resolve(stage: str, settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    if stage == "pretrain":
        length = config.PretrainLength.model_validate(settings.get("length", {}))
        rest = {key: value for key, value in settings.items() if key != "length"}
        return [run.model_dump(mode="json") for run in config.pretrain_phases(length, **rest)]
    adapter: TypeAdapter[config.Config] = TypeAdapter(config.Stage)
    return [adapter.validate_python({**settings, "stage": stage}).model_dump(mode="json")]


def code_modules(resolved: Mapping[str, Any]) -> list[str]:
    return ["iicl.config"]


def corpus_header(out: Path) -> dict[str, Any] | None:
    path = out / "manifest.json"
    return json.loads(path.read_text()) if path.exists() else None


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
    own = source is None or (source / "official").exists()
    header = {
        "hash": hashlib.sha256(f"{corpus}{num_usable}".encode()).hexdigest(),
        "reader": corpus if own else "folder",
        "num_items": num_items if own else num_usable,
        "num_usable": num_usable,
        "counts": counts,
    }
    progress(num_items, num_items)
    out.mkdir(parents=True, exist_ok=True)
    (out / "manifest.json").write_text(json.dumps(header))
    return header


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
    return {
        "metrics": {
            "top1" if stage != "retrieval" else "recall_at_1": _value(stage, method, resolved)
        },
        "chance": {"top1" if stage != "retrieval" else "recall_at_1": 1 / 12},
        "num_evaluated": 478,
        "num_expected": 480,
        "selection": "last",
    }


def _value(stage: str, method: Mapping[str, Any], resolved: Mapping[str, Any]) -> float:
    base = {"random_init": 0.30, "iicl": 0.50, "supervised": 0.70}[method["name"]]
    noise = int(
        hashlib.sha256(json.dumps([stage, method, resolved["seed"]]).encode()).hexdigest(), 16
    )
    return base + 0.004 * (method.get("clusters", 20) % 7) + (noise % 1000) / 100_000
