"""Corpora of the world as real media files in the official layouts.

The decoded content is a function of the arguments alone: rounded to integers before encoding, H.264
and ALAC are lossless here, PCM is, and MPEG-4 runs its bit-exact code on one thread.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Generator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import asdict
from fractions import Fraction
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import av
import numpy as np

from iicl.data.synthetic.layout import (
    Item,
    plan,
    write_audioset_lists,
    write_text,
    write_ucf101_lists,
)
from iicl.data.synthetic.scene import Scene, draw_scene, generator
from iicl.data.synthetic.sound import render_sound
from iicl.data.synthetic.video import render_video
from iicl.data.synthetic.world import CorpusName, World

VERSION = 1  # of the generated content: raise it with every change of a golden digest
MARKER = "generated.json"


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
        num_items: media files of all splits; classes take turns, so they differ by one at most.
            One in ten items of audioset is listed in ``eval_segments.csv``; of ucf101, 8 groups
            of 25 are tested in each of three folds.
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
    with closing(_map(write, items, num_workers)) as written:
        for done, _ in enumerate(written, start=1):
            if progress is not None:
                progress(done, num_items)
    scenes = partial(_scene, corpus, world, seed)
    if corpus == "audioset":
        write_audioset_lists(partial_tree, items, scenes)
    else:
        write_ucf101_lists(partial_tree, items)
    marker = json.dumps({"digest": digest, **spec}, indent=1) + "\n"
    write_text(partial_tree / MARKER, marker)
    os.replace(partial_tree, out)


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


def _map(
    write: Callable[[Item], None], items: list[Item], num_workers: int
) -> Generator[None, None, None]:
    if num_workers == 0:
        yield from map(write, items)
        return
    # Spawned, not forked: the caller may hold threads.
    pool = ProcessPoolExecutor(num_workers, mp_context=get_context("spawn"))
    try:
        yield from pool.map(write, items, chunksize=8)
    finally:
        pool.shutdown(cancel_futures=True)


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
