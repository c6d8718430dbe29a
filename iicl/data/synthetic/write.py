"""Writes generated corpora as real media files in the official layouts.

The decoded content depends on the arguments only. Values are rounded to integers before they are
encoded; H.264, ALAC and PCM are lossless here, and MPEG-4 runs its bit-exact code on one thread.
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

VERSION = 2  # version of the generated content; raise it whenever a golden digest changes
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
    """Write a corpus to ``out``, unless ``out`` is a complete corpus with the same arguments.

    The corpus is written to ``<out>.partial`` and renamed when it is complete. If a generation is
    killed, this folder stays, and the next generation starts again from an empty one.

    Args:
        corpus: a name in :data:`iicl.data.synthetic.layouts.LAYOUTS`; the module of that name
            describes the layout.
        out: folder to create.
        num_items: number of media files of all splits; the sizes of classes differ by at most one.
        seed: seed of all random values, the appearance priors of the classes among them.
        num_workers: number of processes; with 0 the calling process writes. It changes no byte.
        world: sizes and difficulty; None means ``World()``.
        progress: called with (number of items written, ``num_items``).

    Raises:
        ValueError: if an argument is out of range, or ``out`` exists and is another corpus or none.
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
    # Spawned and not forked, because the caller may have threads.
    pool = ProcessPoolExecutor(num_workers, mp_context=get_context("spawn"))
    try:
        yield from pool.map(write, items, chunksize=8)
    finally:
        pool.shutdown(cancel_futures=True)


def _write_item(corpus: CorpusName, world: World, seed: int, root: Path, item: Item) -> None:
    media.write(root / item.path, layout(corpus).render(world, seed, item))
