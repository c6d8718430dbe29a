"""What the exact search costs beyond the bare matrix product, and beside other libraries.

    OMP_NUM_THREADS=1 python benchmarks/throughput/search_rate.py [--before WORKTREE] [--rounds 3]

Every contender runs once a round in one process, in turn, and the table gives the median ratio of
its CPU time to that of the bare product in the same round. faiss takes part if it is installed.
``--before`` names a checkout of another commit, whose functions are loaded beside these.
"""

import argparse
import importlib
import importlib.util
import json
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
if __name__ == "__main__":
    sys.path[0] = str(ROOT)

NUM_NEAREST = 20
NUM_CLASSES = 101
PRODUCT = "matrix product"
Contender = Callable[[], Any]


def evaluation_of(checkout: Path) -> dict[str, Any]:
    """The modules of ``iicl.evaluation`` of a checkout; those loaded so far are put aside."""
    aside = {name: sys.modules.pop(name) for name in list(sys.modules) if _is_ours(name)}
    sys.path.insert(0, str(checkout))
    try:
        names = ("retrieval", "crossmodal", "pairs")
        modules = {name: importlib.import_module(f"iicl.evaluation.{name}") for name in names}
    finally:
        sys.path.remove(str(checkout))
        for name in [name for name in sys.modules if _is_ours(name)]:
            del sys.modules[name]
        sys.modules.update(aside)
    assert Path(str(modules["retrieval"].__file__)).is_relative_to(checkout)
    return modules


def _is_ours(name: str) -> bool:
    return name.split(".")[0] == "iicl"


def unit_vectors(num: int, dim: int, seed: int) -> NDArray[np.float32]:
    """(num, dim) random directions."""
    vectors = np.random.default_rng(seed).normal(size=(num, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def product(queries: NDArray[np.float32], gallery: NDArray[np.float32]) -> None:
    """The cosines alone, in blocks of 1,024 queries, thrown away."""
    for start in range(0, len(queries), 1024):
        queries[start : start + 1024] @ gallery.T


def search_contenders(
    num_queries: int, num_gallery: int, dim: int, sides: dict[str, dict[str, Any]]
) -> dict[str, Contender]:
    """Recall at 1 to 20 of each side, and the nearest 20 by other libraries."""
    from sklearn.neighbors import NearestNeighbors

    queries, gallery = unit_vectors(num_queries, dim, 0), unit_vectors(num_gallery, dim, 1)
    generator = np.random.default_rng(2)
    own, others = (
        [str(x) for x in generator.integers(0, NUM_CLASSES, n)] for n in (num_queries, num_gallery)
    )
    contenders: dict[str, Contender] = {PRODUCT: lambda: product(queries, gallery)}
    for side, modules in sides.items():
        contenders[f"recall, {side}"] = partial(
            modules["retrieval"].hits_at, queries, own, gallery, others, (1, 5, 10, NUM_NEAREST)
        )
    brute = NearestNeighbors(n_neighbors=NUM_NEAREST, algorithm="brute").fit(gallery)
    contenders["scikit-learn brute"] = lambda: brute.kneighbors(queries)
    if importlib.util.find_spec("faiss") is not None:
        faiss = importlib.import_module("faiss")
        index = faiss.IndexFlatIP(dim)
        index.add(gallery)
        contenders["faiss IndexFlatIP"] = lambda: index.search(queries, NUM_NEAREST)
    return contenders


def pair_contenders(num: int, dim: int, sides: dict[str, dict[str, Any]]) -> dict[str, Contender]:
    """Average precision and partner ranks of each side, all items against all."""
    video, audio = unit_vectors(num, dim, 0), unit_vectors(num, dim, 1)
    numbers = np.random.default_rng(2).integers(0, NUM_CLASSES, num)
    labels = [frozenset([str(number)]) for number in numbers]

    def precision(modules: dict[str, Any]) -> None:
        pairs = modules["pairs"]
        is_table = hasattr(pairs, "LabelTable")  # older commits hold an N x N array
        classes = pairs.LabelTable.of(labels) if is_table else pairs.shared_labels(labels)
        modules["crossmodal"].average_precision(video, audio, classes, 0)

    contenders: dict[str, Contender] = {PRODUCT: lambda: product(video, audio)}
    for side, modules in sides.items():
        contenders[f"mAP, {side}"] = partial(precision, modules)
        contenders[f"MRR, {side}"] = partial(modules["crossmodal"].partner_ranks, video, audio)
    return contenders


def ratios(contenders: dict[str, Contender], rounds: int) -> dict[str, dict[str, float]]:
    """Median CPU seconds of each contender, and its median ratio to the product of its round."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, contender in contenders.items():
            begin = time.process_time()
            contender()
            seconds[name].append(time.process_time() - begin)
    bare = seconds[PRODUCT]
    return {
        name: {
            "cpu_seconds": round(statistics.median(own), 3),
            "ratio": round(statistics.median(a / b for a, b in zip(own, bare, strict=True)), 2),
        }
        for name, own in seconds.items()
    }


def main() -> None:
    """Print one JSON object, a part for each size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", type=Path, metavar="WORKTREE")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--pairs", type=int, default=20_000, help="items of mAP and MRR")
    parser.add_argument("--search", type=int, nargs="+", default=[1000, 6000, 4000, 48_000],
                        help="queries and gallery, pair by pair")  # fmt: skip
    parsed = parser.parse_args()
    if len(parsed.search) % 2:
        parser.error(f"--search takes pairs of numbers, not {len(parsed.search)} numbers")
    sides = {"now": evaluation_of(ROOT)}
    if parsed.before is not None:
        sides = {"before": evaluation_of(parsed.before.resolve()), **sides}
    table = {}
    for queries, gallery in zip(parsed.search[::2], parsed.search[1::2], strict=True):
        contenders = search_contenders(queries, gallery, parsed.dim, sides)
        table[f"{queries} x {gallery} x {parsed.dim}"] = ratios(contenders, parsed.rounds)
    contenders = pair_contenders(parsed.pairs, parsed.dim, sides)
    table[f"{parsed.pairs} pairs x {parsed.dim}"] = ratios(contenders, parsed.rounds)
    print(json.dumps(table, indent=2))


if __name__ == "__main__":
    from slurm.command_line import survive_closed_pipes

    survive_closed_pipes()
    main()
