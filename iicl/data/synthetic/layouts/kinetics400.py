"""Kinetics-400: ``train.csv`` and ``val.csv``; ``<list>/<class>/<ytid>_<start>_<end>.mp4``.

The classes are those of audioset, with one label for each item. One in eight items of every class
is listed in ``val.csv``. A fraction :attr:`World.silent` of the items has no sound, as some 7,000
items of the real corpus.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import ceil
from pathlib import Path

from iicl.data.synthetic.layouts.parts import Item, render_clip, write_text, youtube_id
from iicl.data.synthetic.media import Media
from iicl.data.synthetic.scene import generator
from iicl.data.synthetic.world import CLASSES, Kind, World

PURPOSE = "pretraining"
KINDS: tuple[Kind, ...] = CLASSES["kinetics400"]
LEAST = 1


def place(world: World, seed: int, index: int) -> Item:
    """See :class:`iicl.data.synthetic.layouts.Layout`."""
    turn, class_index = divmod(index, len(KINDS))
    ytid, start = youtube_id("kinetics400", seed, index)
    name = f"{ytid}_{start:06d}_{start + ceil(world.seconds):06d}"
    folder = "val" if (turn + class_index) % 8 == 1 else "train"
    return Item(class_index, turn, 0, f"{folder}/{KINDS[class_index].name}/{name}.mp4")


def render(world: World, seed: int, item: Item) -> Media:
    """See :class:`iicl.data.synthetic.layouts.Layout`."""
    media = render_clip("kinetics400", world, seed, item)
    return replace(media, samples=None) if is_silent(world, seed, item) else media


def is_silent(world: World, seed: int, item: Item) -> bool:
    """Whether an item has no sound."""
    rng = generator(seed, "kinetics400", "silent", item.class_index, item.group)
    return bool(rng.random() < world.silent)


def write_lists(root: Path, items: Sequence[Item], world: World, seed: int) -> None:
    """Write the two lists; labels with a space are in quotes, as in the official lists."""
    for name in ("train", "val"):
        lines = ["label,youtube_id,time_start,time_end,split,is_cc"]
        for path in sorted(item.path for item in items if item.path.startswith(f"{name}/")):
            _, label, file = path.split("/")
            ytid, start, end = Path(file).stem.rsplit("_", 2)
            lines.append(f'"{label}",{ytid},{int(start)},{int(end)},{name},0')
        write_text(root / f"{name}.csv", "\n".join(lines) + "\n")
