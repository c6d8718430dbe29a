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
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from iicl.data.synthetic import media
from iicl.data.synthetic.layouts import layout, plan
from iicl.data.synthetic.layouts.parts import Item, write_text
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
        corpus: a name in :data:`iicl.data.synthetic.layouts.LAYOUTS`, whose modules say what is
            listed where.
        out: folder to create.
        num_items: media files of all splits; classes take turns, so they differ by one at most.
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
    layout(corpus).write_lists(partial_tree, items, world, seed)
    marker = json.dumps({"digest": digest, **spec}, indent=1) + "\n"
    write_text(partial_tree / MARKER, marker)
    os.replace(partial_tree, out)


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


def _write_item(corpus: CorpusName, world: World, seed: int, root: Path, item: Item) -> None:
    media.write(root / item.path, layout(corpus).render(world, seed, item))
