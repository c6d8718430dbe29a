"""The official layouts, one module for each corpus: its files, their content and its lists."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from iicl.data.synthetic.layouts import audioset, dcase2013, hmdb51, kinetics400, ucf101
from iicl.data.synthetic.layouts.parts import Item
from iicl.data.synthetic.media import Media
from iicl.data.synthetic.world import CorpusName, Kind, World


class Layout(Protocol):
    """What a layout module must have.

    Attributes:
        PURPOSE: what the corpus is for.
        KINDS: its classes; consecutive items belong to consecutive classes.
        LEAST: number of items that a class needs to be in every split of every fold.
    """

    PURPOSE: str
    KINDS: tuple[Kind, ...]
    LEAST: int

    def place(self, world: World, seed: int, index: int) -> Item:
        """The item at position ``index``; it does not depend on the number of items."""

    def render(self, world: World, seed: int, item: Item) -> Media:
        """The content of the media file of an item."""

    def write_lists(self, root: Path, items: Sequence[Item], world: World, seed: int) -> None:
        """Write the lists of all items below ``root``, which holds the media files already."""


# Imported by name and not found by their files, so that the hash of the generator's code includes
# them.
LAYOUTS: dict[CorpusName, Layout] = {
    "audioset": audioset,
    "kinetics400": kinetics400,
    "ucf101": ucf101,
    "hmdb51": hmdb51,
    "dcase2013": dcase2013,
}


def layout(corpus: str) -> Layout:
    """The layout with this name.

    Raises:
        ValueError: if there is none.
    """
    for name, found in LAYOUTS.items():
        if name == corpus:
            return found
    raise ValueError(f"unknown corpus {corpus!r}, known: {', '.join(LAYOUTS)}")


def plan(corpus: str, num_items: int, seed: int, world: World) -> list[Item]:
    """The items of a corpus in the order of drawing; a smaller corpus has the first of them.

    Args:
        corpus: see :func:`iicl.data.synthetic.write.generate`.
        num_items: see :func:`iicl.data.synthetic.write.generate`.
        seed: see :func:`iicl.data.synthetic.write.generate`.
        world: some file names contain the duration of items.

    Raises:
        ValueError: if the corpus is unknown or ``num_items`` too small for a split of a class.
    """
    kind = layout(corpus)
    least = len(kind.KINDS) * kind.LEAST
    if num_items < least:
        raise ValueError(f"num_items of {corpus} must be >= {least}, got {num_items}")
    return [kind.place(world, seed, index) for index in range(num_items)]
