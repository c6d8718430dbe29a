"""One process that times the cases of one checkout as the guard asks, a repetition at a time.

    python worker.py TREE CASES FOLDER DEVICE

It imports ``iicl`` and ``benchmarks`` from TREE and the cases from the file CASES. Requests come
as lines of JSON on standard input, each is answered by one line on standard output: first
``{"prepare": NAME}``, which sets the case up and runs it once, then any number of
``{"run": REPEATS}``. An answer holds ``error`` if the case failed. The worker ends with its input.
"""

import gc
import importlib
import importlib.util
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any


def load(tree: Path, file: Path) -> ModuleType:
    """The module of cases, with the checkout first on the path of imports."""
    sys.path[0] = str(tree)
    spec = importlib.util.spec_from_file_location("throughput_cases", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses ask for it
    spec.loader.exec_module(module)
    return module


class Timer:
    """Sets cases up and times their repetitions."""

    def __init__(self, cases: ModuleType, folder: Path, device: str) -> None:
        self._cases, self._folder, self._device = cases, folder, device
        self._synchronise: Callable[[], object] = lambda: None
        if device != "cpu":
            import torch

            self._synchronise = torch.cuda.synchronize
        self._body: Callable[[], object] = lambda: None

    def prepare(self, name: str) -> dict[str, Any]:
        """Set a case up and run it once, which fills caches."""
        gc.unfreeze()
        case = self._cases.CASES[name]
        folder = self._folder / name.replace(" ", "-").strip("-")
        folder.mkdir(parents=True, exist_ok=True)
        self._body = case.setup(self._cases.Place(folder, self._device))
        first_run = self.run(1)
        gc.collect()
        gc.freeze()  # a collection in the timed region then sees what the case itself has made
        return {"work": case.work, **first_run}

    def run(self, repeats: int) -> dict[str, float]:
        """CPU seconds of all threads and wall seconds of so many repetitions in a row."""
        self._synchronise()
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(repeats):
            self._body()
        self._synchronise()
        return {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}


def main() -> None:
    """Answer requests until the input ends."""
    tree, file, folder = map(Path, sys.argv[1:4])
    # A case may print, so the answers get a descriptor of their own.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    timer = Timer(load(tree, file), folder, sys.argv[4])
    # As the runs of this commit do, if they do.
    if importlib.util.find_spec("iicl.memory") is not None:
        importlib.import_module("iicl.memory").keep_freed_memory()
    actions: dict[str, Callable[[Any], dict[str, Any]]] = {
        "prepare": timer.prepare,
        "run": timer.run,
    }
    for line in sys.stdin:
        ((action, argument),) = json.loads(line).items()
        try:
            answer = actions[action](argument)
        except Exception as problem:
            answer = {"error": " ".join(f"{type(problem).__name__}: {problem}".split())[:300]}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
