"""Prepares mutated media files and compares each with what FFmpeg reads in it.

    nox -s fuzz
    python -m tests.fuzz.run --files 1000 --seed 0
    python -m tests.fuzz.run --only 417 --keep FOLDER

File number N depends only on the seed N, so ``--only N`` makes it again. ``--keep`` writes the
files and the prepared corpus to a folder that stays. :mod:`tests.fuzz.rules` says what is compared.
Exit code 1 means that a rule fails or that a worker process took 1 GiB of memory or more.
"""

import argparse
import random
import resource
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from iicl.config import Preparation
from iicl.data.prepare import prepare
from iicl.data.store import PreparedCorpus
from tests.fuzz import clips, mutations, notes, reading, rules

PREPARATION = Preparation(short_side=32)
MAX_WORKER_BYTES = 1 << 30
MAX_PROCESS_BYTES = 4 << 30
NUM_PROCESSES = 2
_MAX_EXAMPLES = 3  # failures of each rule that the report shows


@dataclass(frozen=True)
class Case:
    """One mutated file.

    Attributes:
        seed: seed of the file.
        clip: the clip that is mutated.
        mutation: the mutation.
        path: path of the file.
    """

    seed: int
    clip: clips.Clip
    mutation: mutations.Mutation
    path: Path


@dataclass(frozen=True)
class Report:
    """The result of a run.

    Attributes:
        verdicts: each case with the verdicts of all rules.
        peak_bytes: greatest resident memory of a worker process.
    """

    verdicts: list[tuple[Case, list[rules.Verdict]]]
    peak_bytes: int

    @property
    def failures(self) -> list[tuple[Case, rules.Verdict]]:
        """Every rule that fails, with its case."""
        return [
            (case, verdict)
            for case, verdicts in self.verdicts
            for verdict in verdicts
            if verdict.outcome == "fails"
        ]

    @property
    def passes(self) -> bool:
        """Whether no rule fails and memory stays within its bound."""
        return not self.failures and self.peak_bytes < MAX_WORKER_BYTES


def make_cases(seeds: Iterable[int], folder: Path) -> list[Case]:
    """Writes one mutated file for each seed below ``folder``."""
    originals: dict[str, bytes] = {}
    cases = []
    (folder / "source" / "fuzz").mkdir(parents=True)
    (folder / "clips").mkdir()
    for seed in seeds:
        rng = random.Random(seed)
        clip = rng.choice(clips.CLIPS)
        mutation = rng.choice(mutations.applicable(clip))
        if clip.name not in originals:
            path = folder / "clips" / clip.name
            clips.write(clip, path)
            originals[clip.name] = path.read_bytes()
        content = mutation.change(originals[clip.name], clip.container, rng)
        path = folder / "source" / "fuzz" / f"{seed:06d}-{clip.name}"
        path.write_bytes(content)
        cases.append(Case(seed, clip, mutation, path))
    return cases


def prepare_cases(folder: Path) -> tuple[PreparedCorpus, int]:
    """Prepares all files; returns the corpus and the peak memory of a worker process in bytes."""
    # A corpus without any usable item is refused; therefore one undamaged clip is added.
    clips.write(clips.CLIPS[0], folder / "source" / "fuzz" / "undamaged.mp4")
    prepare(
        "folder",
        folder / "source",
        folder / "prepared",
        corpus="fuzz",
        preparation=PREPARATION,
        num_workers=NUM_PROCESSES,
    )
    # Linux counts kibibytes. No other child process has run before.
    peak = 1024 * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return PreparedCorpus.open(folder / "prepared"), peak


def judge_cases(cases: Sequence[Case], corpus: PreparedCorpus) -> list[list[rules.Verdict]]:
    """Compares every case with FFmpeg's reading of its file."""
    positions = {Path(item.id).name: n for n, item in enumerate(corpus.manifest.items)}
    with ThreadPoolExecutor(NUM_PROCESSES) as pool:
        readings = list(pool.map(reading.read, [case.path for case in cases]))
    return [
        rules.judge(
            case.clip,
            case.mutation.keeps_times,
            ffmpeg,
            read_stored(corpus, positions[case.path.name]),
        )
        for case, ffmpeg in zip(cases, readings, strict=True)
    ]


def read_stored(corpus: PreparedCorpus, position: int) -> notes.Stored:
    """Reads an item back from its shard."""
    item = corpus.manifest.items[position]
    picture = sound = None
    if "video" in item.views:
        frames = np.zeros((item.num_frames, 3 * item.height // 2, item.width), np.uint8)
        corpus.read_video(position, range(item.num_frames), frames)
        luma = frames[:, : item.height].mean(axis=(1, 2))
        picture = reading.Picture(np.arange(item.num_frames) / item.fps, luma)
    if "audio" in item.views:
        samples = corpus.read_audio(position, 0, item.num_samples) / 32768
        times = np.arange(item.num_samples) / PREPARATION.sample_rate
        sound = reading.Sound(samples[:, None], times)
    return notes.Stored(item.reason, picture, sound, PREPARATION.max_seconds)


def run(seeds: Sequence[int], folder: Path) -> Report:
    """Makes, prepares and judges one file for each seed."""
    cases = make_cases(seeds, folder)
    corpus, peak = prepare_cases(folder)
    verdicts = judge_cases(cases, corpus)
    return Report(list(zip(cases, verdicts, strict=True)), peak)


def describe(report: Report) -> str:
    """The report in words."""
    by_rule: dict[str, Counter[str]] = defaultdict(Counter)
    by_mutation: dict[str, Counter[str]] = defaultdict(Counter)
    for case, verdicts in report.verdicts:
        for verdict in verdicts:
            by_rule[verdict.rule][verdict.outcome] += 1
        failed = any(verdict.outcome == "fails" for verdict in verdicts)
        by_mutation[case.mutation.name]["fails" if failed else "holds"] += 1
    lines = [f"{'rule':18}{'holds':>8}{'excused':>9}{'fails':>7}"]
    for rule, counts in by_rule.items():
        lines += [f"{rule:18}{counts['holds']:8}{counts['excused']:9}{counts['fails']:7}"]
    lines += ["", f"{'mutation':18}{'files':>8}{'fail':>9}"]
    for name, counts in sorted(by_mutation.items()):
        lines += [f"{name:18}{counts.total():8}{counts['fails']:9}"]
    lines += ["", f"peak memory of a worker process: {report.peak_bytes / 2**20:.0f} MiB", ""]
    examples: Counter[str] = Counter()
    for case, verdict in report.failures:
        examples[verdict.rule] += 1
        if examples[verdict.rule] <= _MAX_EXAMPLES:
            lines += [
                f"{verdict.rule}: {case.mutation.name} of {case.clip.name}: {verdict.detail}",
                f"    python -m tests.fuzz.run --only {case.seed} --keep FOLDER",
            ]
    failed = len({case.seed for case, _ in report.failures})
    lines += [f"{failed} of {len(report.verdicts)} files fail"]
    return "\n".join(lines)


def main() -> int:
    """Runs the command; returns its exit code."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--files", type=int, default=1000, help="how many (default: 1000)")
    parser.add_argument("--seed", type=int, default=0, help="of the first file (default: 0)")
    parser.add_argument("--only", type=int, nargs="+", metavar="SEED", help="these files alone")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="new folder for all files")
    arguments = parser.parse_args()
    # Worker processes inherit it: a fault in memory costs a file, not the machine.
    resource.setrlimit(resource.RLIMIT_DATA, (MAX_PROCESS_BYTES, MAX_PROCESS_BYTES))
    seeds = arguments.only or range(arguments.seed, arguments.seed + arguments.files)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary)
        report = run(seeds, folder)
    print(describe(report))
    if arguments.only:
        for case, verdicts in report.verdicts:
            for verdict in verdicts:
                print(f"{case.seed} {verdict.rule}: {verdict.outcome} {verdict.detail}")
    print(f"{time.monotonic() - started:.0f} s")
    return 0 if report.passes else 1


if __name__ == "__main__":
    sys.exit(main())
