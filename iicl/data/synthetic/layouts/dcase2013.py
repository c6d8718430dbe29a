"""DCASE 2013 scenes: ``scenes_stereo/<scene>NN.wav`` (train), ``scenes_stereo_testset/`` (test).

The recordings of a class are put into the two folders in turn; there are no list files.
"""

from collections.abc import Sequence
from pathlib import Path

from iicl.data.synthetic.layouts.parts import Item
from iicl.data.synthetic.media import Media
from iicl.data.synthetic.scene import generator
from iicl.data.synthetic.soundscape import RATE, draw_soundscape, render_soundscape
from iicl.data.synthetic.world import SCENES, Kind, World

PURPOSE = "acoustic scene"
KINDS: tuple[Kind, ...] = SCENES
LEAST = 2


def place(world: World, seed: int, index: int) -> Item:
    """See :class:`iicl.data.synthetic.layouts.Layout`."""
    turn, class_index = divmod(index, len(KINDS))
    folder = ("scenes_stereo", "scenes_stereo_testset")[turn % 2]
    path = f"{folder}/{KINDS[class_index].name}{turn // 2 + 1:02d}.wav"
    return Item(class_index, turn, 0, path)


def render(world: World, seed: int, item: Item) -> Media:
    """See :class:`iicl.data.synthetic.layouts.Layout`."""
    soundscape = draw_soundscape(world, item.class_index, seed, item.group)
    rng = generator(seed, "noise", "dcase2013", item.class_index, item.group)
    return Media(None, render_soundscape(world, soundscape, rng), world.fps, RATE)


def write_lists(root: Path, items: Sequence[Item], world: World, seed: int) -> None:
    """The folders are the lists."""
