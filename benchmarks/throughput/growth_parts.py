"""The parts whose growth is measured: each prepares a task of a size, which is then timed."""

import argparse
import dataclasses
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
DIM, NUM_CLASSES, NUM_CLUSTERS = 512, 101, 400  # those of the paper's evaluation
NUM_QUERIES = 1000
Task = tuple[int, Callable[[], object]]


@dataclass(frozen=True)
class Part:
    """What is measured.

    Attributes:
        unit: what its size counts.
        sizes: of a full run.
        prepare: (empty folder, size) to the size it came to and the task.
        least: smallest size that works.
    """

    unit: str
    sizes: tuple[int, ...]
    prepare: Callable[[Path, int], Task]
    least: int = 10


def vectors(num: int, seed: int) -> NDArray[np.float32]:
    """(num, DIM) unit vectors around one centre for each class."""
    generator = np.random.default_rng(seed)
    centres = np.random.default_rng(0).normal(size=(NUM_CLASSES, DIM))
    rows = centres[np.arange(num) % NUM_CLASSES] + 2 * generator.normal(size=(num, DIM))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def names(num: int) -> list[str]:
    """Class names of :func:`vectors`."""
    return [f"c{number % NUM_CLASSES}" for number in range(num)]


def retrieval(folder: Path, size: int) -> Task:
    """R@20 of 1,000 queries in a gallery of a size."""
    from iicl.evaluation.retrieval import hits_at

    queries, gallery = vectors(NUM_QUERIES, 1), vectors(size, 2)
    return size, lambda: hits_at(queries, names(NUM_QUERIES), gallery, names(size), (1, 5, 10))


def average_precision(folder: Path, size: int) -> Task:
    """Class-level mAP of all items against all."""
    from iicl.evaluation.crossmodal import average_precision
    from iicl.evaluation.pairs import LabelTable

    video, audio = vectors(size, 1), vectors(size, 2)
    labels = [frozenset([name]) for name in names(size)]
    return size, lambda: average_precision(video, audio, LabelTable.of(labels), 0)


def kmeans(folder: Path, size: int) -> Task:
    """One start of k-means with 400 clusters."""
    from sklearn.cluster import KMeans

    items = vectors(size, 1)
    return size, lambda: KMeans(NUM_CLUSTERS, n_init=1, random_state=0).fit(items)


def linear(folder: Path, size: int) -> Task:
    """One fit of the logistic classifier."""
    from iicl.evaluation.linear import fit

    clips, labels = vectors(size, 1)[:, None], np.array(names(size))
    return size, lambda: fit(clips, labels, 1e-4, "logistic", 0)


def manifest(folder: Path, size: int) -> Task:
    """Read and check a manifest."""
    from iicl.data.manifest import Manifest

    prepare_corpus(folder, size)
    return size, lambda: Manifest.read(folder / "corpus")


def loader(folder: Path, size: int) -> Task:
    """An epoch of random clips of 8 x 32 x 32 with sound, in this process."""
    from iicl.config import Clip
    from iicl.data.draws import Contents
    from iicl.data.loader import make_loader
    from iicl.data.sampling import Batching
    from iicl.data.store import PreparedCorpus
    from iicl.samples import AUDIO, VIDEO

    prepare_corpus(folder, size)

    def epoch() -> None:
        corpus = PreparedCorpus.open(folder / "corpus")
        clip = Clip(num_frames=8, fps=8, size=32)
        batching = Batching(sampling="random", batch_size=10, epochs=range(1))
        for _ in make_loader(
            corpus, corpus.select(["video", "audio"]), Contents(clip, (VIDEO, AUDIO)), batching
        ):
            pass

    return size // 10 * 10, epoch


def prepare_corpus(folder: Path, size: int) -> None:
    """Prepare one clip as ``folder / "corpus"`` and name it ``size`` times in the manifest."""
    from benchmarks.throughput.loader_rate import write_original
    from iicl.config import Preparation
    from iicl.data.manifest import Manifest
    from iicl.data.prepare import prepare

    (folder / "source" / "clips").mkdir(parents=True)
    write_original(folder / "source" / "clips" / "0.mp4", 0)
    out, settings = folder / "corpus", Preparation(short_side=32)
    made = prepare(
        "folder", folder / "source", out, corpus="growth", preparation=settings, num_workers=1
    )
    items = [dataclasses.replace(made.items[0], id=f"{n:07d}") for n in range(size)]
    values = {f.name: getattr(made, f.name) for f in dataclasses.fields(Manifest) if f.init}
    Manifest(**values | {"items": items}).write(out)


def words(home: Path, seeds: int) -> list[str]:
    """Arguments of ``run.py`` for Tables I to V with so many seeds."""
    tables = ["--table", "I", "II", "III", "IV", "V", "--scale", "smoke", "--home", str(home)]
    return [*tables, "--seeds", *map(str, range(seeds))]


def planner(folder: Path, size: int) -> Task:
    """Plan Tables I to V with as many seeds as give the number of runs."""
    from benchmarks import run, stages
    from benchmarks.launch import request

    def launch(seeds: int) -> request.Request:
        parsed: argparse.Namespace = run.parser().parse_args(words(folder, seeds))
        return request.read(parsed, stages, ROOT)

    per_seed = len(launch(2).plan().runs) - len(launch(1).plan().runs)
    chosen = launch(max(1, round(size / per_seed)))
    return len(chosen.plan().runs), chosen.plan


def status(folder: Path, size: int) -> Task:
    """``--status`` of finished runs of Tables I to V."""
    from benchmarks import run, stages
    from benchmarks.launch import request
    from benchmarks.store import provenance

    def launch(seeds: int) -> request.Request:
        return request.read(run.parser().parse_args(words(folder, seeds)), stages, ROOT)

    per_seed = len(launch(2).plan().runs) - len(launch(1).plan().runs)
    seeds = max(1, round(size / per_seed))
    chosen = launch(seeds)
    runs = chosen.plan().runs
    place = {"job": "1", "site": "local", "num_ranks": 1, "num_nodes": 1}
    record = {**provenance.describe(1), **place}
    for planned in runs.values():
        run_folder = chosen.home.run(planned.id)
        assert chosen.home.claim(planned.id, planned.record())
        run_folder.begin_attempt(record)
        run_folder.finish({"metrics": {}, "seconds": 1.0})
    command = [sys.executable, str(ROOT / "benchmarks" / "run.py"), *words(folder, seeds)]
    return len(runs), lambda: subprocess.run(
        [*command, "--status"], check=True, capture_output=True
    )


PARTS = {
    "loader": Part("items", (300, 1000, 3000), loader),
    "retrieval": Part("gallery items", (4800, 15_000, 48_000), retrieval, least=100),
    "mAP": Part("items", (2000, 6000, 20_000), average_precision, least=100),
    "k-means": Part("items", (1332, 4200, 13_320), kmeans, least=NUM_CLUSTERS),
    "linear probe": Part("clips", (9537, 30_000, 95_370), linear, least=2 * NUM_CLASSES),
    "planner": Part("runs", (300, 1000, 3000), planner),
    "status": Part("folders", (300, 1000, 3000), status),
    "manifest": Part("items", (20_000, 60_000, 200_000), manifest),
}
