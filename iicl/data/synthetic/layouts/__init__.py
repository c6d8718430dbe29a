"""The official layouts, one module per corpus: which files there are, what they hold, the lists."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from iicl.data.synthetic.layouts import audioset, dcase2013, hmdb51, kinetics400, ucf101
from iicl.data.synthetic.layouts.parts import Item
from iicl.data.synthetic.media import Media
from iicl.data.synthetic.world import CorpusName, Kind, World


class Layout(Protocol):
    """What a layout module offers.

    Attributes:
        PURPOSE: what the corpus is for.
        KINDS: its classes; items take turns among them.
        LEAST: items that a class needs, so that no split of any fold is without it.
    """

    PURPOSE: str
    KINDS: tuple[Kind, ...]
    LEAST: int

    def place(self, world: World, seed: int, index: int) -> Item:
        """The item drawn at that position, whatever the number of items."""

    def render(self, world: World, seed: int, item: Item) -> Media:
        """The content of an item's file."""

    def write_lists(self, root: Path, items: Sequence[Item], world: World, seed: int) -> None:
        """Write the lists of all items below ``root``, where the media files are already."""


# Named one by one and not by their files, so that the hash of the generator's code sees them.
LAYOUTS: dict[CorpusName, Layout] = {
    "audioset": audioset,
    "kinetics400": kinetics400,
    "ucf101": ucf101,
    "hmdb51": hmdb51,
    "dcase2013": dcase2013,
}


def layout(corpus: str) -> Layout:
    """The layout of that name.

    Raises:
        ValueError: if there is none.
    """
    for name, found in LAYOUTS.items():
        if name == corpus:
            return found
    raise ValueError(f"unknown corpus {corpus!r}, known: {', '.join(LAYOUTS)}")


def plan(corpus: str, num_items: int, seed: int, world: World) -> list[Item]:
    """The files of a corpus, in the order they are drawn: a smaller corpus is a prefix.

    Args:
        corpus: see :func:`iicl.data.synthetic.write.generate`.
        num_items: see :func:`iicl.data.synthetic.write.generate`.
        seed: see :func:`iicl.data.synthetic.write.generate`.
        world: the duration of items is part of some names.

    Raises:
        ValueError: if the corpus is unknown or ``num_items`` too small for a split of a class.
    """
    kind = layout(corpus)
    least = len(kind.KINDS) * kind.LEAST
    if num_items < least:
        raise ValueError(f"num_items of {corpus} must be >= {least}, got {num_items}")
    return [kind.place(world, seed, index) for index in range(num_items)]
