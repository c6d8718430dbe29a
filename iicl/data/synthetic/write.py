"""Corpora of the world as real media files and lists in the official layouts.

The decoded content is a function of the arguments alone: rounded to integers before encoding, H.264
and ALAC are lossless here, PCM is, and MPEG-4 runs its bit-exact code on one thread.
"""

import base64
import csv
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from fractions import Fraction
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import get_args

import av
import numpy as np

from iicl.data.synthetic.sound import render_sound
from iicl.data.synthetic.video import render_video
from iicl.data.synthetic.world import CLASSES, CorpusName, Scene, World, draw_scene, generator

VERSION = 1  # of the generated content: raise it with every change of a golden digest
MARKER = "generated.json"
NUM_GROUPS = 25
NUM_FOLDS = 3
_GROUPS_PER_TEST = 8


@dataclass(frozen=True)
class Item:
    """One media file to be: its class, place in the layout, and numbers that seed it."""

    class_index: int
    group: int
    number: int
    path: str


def generate(
    corpus: CorpusName,
    out: Path,
    *,
    num_items: int,
    seed: int = 0,
    num_workers: int = 0,
    world: World | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write a corpus below ``out``; one that is complete and of the same arguments is left alone.

    The tree appears under its name only when complete: it grows in ``<out>.partial``, which a
    generation that was killed leaves behind and the next one starts anew.

    Args:
        corpus: "audioset" (pretraining classes) or "ucf101" (downstream classes).
        out: folder to create.
        num_items: media files; classes take turns, so classes are balanced within one.
        seed: of everything drawn.
        num_workers: processes; 0 writes in this one. Changes no byte.
        world: size and difficulty; None is ``World()``.
        progress: called with (items written, ``num_items``).

    Raises:
        ValueError: if an argument is out of range, or ``out`` holds anything else.
    """
    world = world or World()
    items = plan(corpus, num_items, seed, world)
    if seed < 0 or num_workers < 0:
        raise ValueError(f"seed and num_workers must be >= 0, got {seed} and {num_workers}")
    drawn = {"corpus": corpus, "num_items": num_items, "seed": seed, "world": asdict(world)}
    spec = {"version": VERSION, **drawn}
    digest = hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()
    if out.exists():
        _check_existing(out, digest)
        return

    partial_tree = out.with_name(f"{out.name}.partial")
    if partial_tree.exists():
        shutil.rmtree(partial_tree)
    for folder in sorted({str(Path(item.path).parent) for item in items}):
        (partial_tree / folder).mkdir(parents=True)
    write = partial(_write_item, corpus, world, seed, partial_tree)
    for done, _ in enumerate(_map(write, items, num_workers), start=1):
        if progress is not None:
            progress(done, num_items)
    scenes = partial(_scene, corpus, world, seed)
    if corpus == "audioset":
        _write_audioset_lists(partial_tree, items, scenes, world)
    else:
        _write_ucf101_lists(partial_tree, items)
    marker = json.dumps({"digest": digest, **spec}, indent=1) + "\n"
    _write_text(partial_tree / MARKER, marker)
    os.replace(partial_tree, out)


def plan(corpus: CorpusName, num_items: int, seed: int, world: World) -> list[Item]:
    """The files of a corpus, in the order they are drawn: a smaller corpus is a prefix.

    Args:
        corpus: see :func:`generate`.
        num_items: see :func:`generate`.
        seed: see :func:`generate`.
        world: its duration is part of the names of AudioSet's files.

    Raises:
        ValueError: if the corpus is unknown or ``num_items`` too small: a class needs an item, in
            ucf101 one for each side of the split.
    """
    if corpus not in get_args(CorpusName):
        raise ValueError(f"unknown corpus {corpus!r}, known: {', '.join(get_args(CorpusName))}")
    classes = CLASSES[corpus]
    least = len(classes) * (1 if corpus == "audioset" else 2)
    if num_items < least:
        raise ValueError(f"num_items of {corpus} must be >= {least}, got {num_items}")
    items = []
    for index in range(num_items):
        turn, class_index = divmod(index, len(classes))
        if corpus == "audioset":
            items.append(Item(class_index, turn, 0, _audioset_path(index, seed, world)))
        else:
            name = classes[class_index].name
            group, number = _group(turn, class_index), turn // NUM_GROUPS + 1
            path = f"UCF-101/{name}/v_{name}_g{group:02d}_c{number:02d}.avi"
            items.append(Item(class_index, group, number, path))
    return items


def held_out_groups(fold: int) -> range:
    """The groups of a fold's test split: g01-g08, g09-g16, g17-g24; g25 is always trained on."""
    return range((fold - 1) * _GROUPS_PER_TEST + 1, fold * _GROUPS_PER_TEST + 1)


def is_test_segment(item: Item) -> bool:
    """Whether an AudioSet-like item belongs to ``eval_segments.csv``: one in ten of every class."""
    return (item.group + item.class_index) % 10 == 1


def decode(path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """Decode a whole media file.

    Returns:
        YUV planes, uint8 (num_frames, height * 3 / 2, width), and samples, int16 (num_samples,),
        or None where there is no audio stream.
    """
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="yuv420p") for frame in container.decode(video=0)]
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return np.stack(frames), None
        blocks = [frame.to_ndarray().reshape(-1) for frame in container.decode(audio=0)]
    return np.stack(frames), np.concatenate(blocks)


def _check_existing(out: Path, digest: str) -> None:
    marker = out / MARKER
    if not marker.is_file():
        raise ValueError(f"{out} exists and is no generated corpus: remove it or name another")
    if json.loads(marker.read_text())["digest"] != digest:
        raise ValueError(f"{out} was generated with other arguments, see {marker}: remove it first")


def _map(write: Callable[[Item], None], items: list[Item], num_workers: int) -> Iterable[None]:
    if num_workers == 0:
        yield from map(write, items)
        return
    # Spawned, not forked: the caller may hold threads.
    with ProcessPoolExecutor(num_workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(write, items, chunksize=8)


def _scene(corpus: CorpusName, world: World, seed: int, item: Item) -> Scene:
    return draw_scene(world, corpus, item.class_index, seed, item.group, item.number)


def _write_item(corpus: CorpusName, world: World, seed: int, root: Path, item: Item) -> None:
    scene = _scene(corpus, world, seed, item)
    key = (corpus, item.class_index, item.group, item.number)
    planes = render_video(world, scene, generator(seed, "pixels", *key))
    samples = render_sound(world, scene, generator(seed, "noise", *key))
    _encode(root / item.path, world, planes, samples)


def _encode(path: Path, world: World, planes: np.ndarray, samples: np.ndarray | None) -> None:
    """Write one file: .mp4 as lossless H.264 and ALAC, .avi as MPEG-4 and PCM."""
    lossless = path.suffix == ".mp4"
    with av.open(str(path), "w", options={"fflags": "+bitexact"}) as container:
        if lossless:
            options = {"qp": "0", "preset": "ultrafast", "threads": "1", "g": str(world.fps)}
            video = container.add_stream("libx264", rate=world.fps, options=options)
        else:
            options = {"flags": "+bitexact+qscale", "global_quality": str(2 * 118), "threads": "1"}
            options |= {"dct": "int", "idct": "simple", "g": str(world.fps)}
            video = container.add_stream("mpeg4", rate=world.fps, options=options)
        video.width, video.height, video.pix_fmt = world.width, world.height, "yuv420p"
        if samples is not None:
            audio = container.add_stream(
                "alac" if lossless else "pcm_s16le", rate=world.sample_rate, layout="mono"
            )
            audio.options = {"flags": "+bitexact", "threads": "1"}
            audio.format = "s16p" if lossless else "s16"  # ALAC would default to 24 bits
            block = av.AudioFrame.from_ndarray(
                samples[None], format=audio.format.name, layout="mono"
            )
            block.sample_rate, block.pts = world.sample_rate, 0
            block.time_base = Fraction(1, world.sample_rate)
        for index, plane in enumerate(planes):
            frame = av.VideoFrame.from_ndarray(plane, format="yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, world.fps)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if samples is not None:
            container.mux(audio.encode(block))
            container.mux(audio.encode(None))


def _group(turn: int, class_index: int) -> int:
    """Groups in an order that feeds the test splits of all folds from the first items on."""
    turn %= NUM_GROUPS
    if turn == NUM_GROUPS - 1:
        return NUM_GROUPS
    folds = (3, 1, 2) if class_index % 2 == 0 else (2, 1, 3)
    return held_out_groups(folds[turn % NUM_FOLDS])[turn // NUM_FOLDS]


def _audioset_path(index: int, seed: int, world: World) -> str:
    identity = hashlib.sha256(f"{seed} {index}".encode()).digest()
    name = base64.urlsafe_b64encode(identity[:9]).decode()[:11]
    start = 1000 * (identity[10] % 60)
    return f"video/{name}_{start}_{start + round(1000 * world.seconds)}.mp4"


def _mid(class_index: int) -> str:
    return f"/m/world{class_index:02d}"


def _write_audioset_lists(
    root: Path, items: list[Item], scene: Callable[[Item], Scene], world: World
) -> None:
    classes = CLASSES["audioset"]
    mids = {(kind.motion, kind.sound): _mid(i) for i, kind in enumerate(classes)}
    splits = {
        "balanced_train_segments.csv": [item for item in items if not is_test_segment(item)],
        "eval_segments.csv": [item for item in items if is_test_segment(item)],
    }
    for name, members in splits.items():
        rows = []
        for item in sorted(members, key=lambda item: item.path):
            youtube_id, start, end = Path(item.path).stem.rsplit("_", 2)
            labels = [mids[event.motion, event.sound] for event in scene(item).events]
            seconds = f"{int(start) / 1000:.3f}, {int(end) / 1000:.3f}"
            rows.append((youtube_id, seconds, labels))
        num_labels = len({label for _, _, labels in rows for label in labels})
        num_positive = sum(len(labels) for _, _, labels in rows)
        header = (
            "# Segments csv created by iicl.data.synthetic\n"
            f"# num_ytids={len(rows)}, num_segs={len(rows)}, num_unique_labels={num_labels}, "
            f"num_positive_labels={num_positive}\n"
            "# YTID, start_seconds, end_seconds, positive_labels\n"
        )
        body = "".join(f'{name}, {times}, "{",".join(labels)}"\n' for name, times, labels in rows)
        _write_text(root / name, header + body)
    with open(root / "class_labels_indices.csv", "w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("index", "mid", "display_name"))
        table.writerows((i, _mid(i), kind.name) for i, kind in enumerate(classes))


def _write_ucf101_lists(root: Path, items: list[Item]) -> None:
    lists = root / "ucfTrainTestlist"
    lists.mkdir()
    # Official numbers are alphabetical.
    names = sorted(kind.name for kind in CLASSES["ucf101"])
    numbers = {name: number for number, name in enumerate(names, start=1)}
    _write_lines(lists / "classInd.txt", [f"{numbers[name]} {name}" for name in names])
    members = sorted((item.path.removeprefix("UCF-101/"), item.group) for item in items)
    for fold in range(1, NUM_FOLDS + 1):
        test = [path for path, group in members if group in held_out_groups(fold)]
        train = [path for path, group in members if group not in held_out_groups(fold)]
        _write_lines(lists / f"testlist{fold:02d}.txt", test)
        _write_lines(
            lists / f"trainlist{fold:02d}.txt",
            [f"{path} {numbers[path.split('/')[0]]}" for path in train],
        )


def _write_lines(path: Path, lines: list[str]) -> None:
    """Write lines that end in CRLF, as the official lists do."""
    _write_text(path, "".join(f"{line}\r\n" for line in lines))


def _write_text(path: Path, text: str) -> None:
    path.write_bytes(text.encode())
