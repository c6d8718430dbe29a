"""HMDB51: ``hmdb51_org/<class>/<film>_<class>_<tags>_<n>.avi`` and three split files a class.

A class has 25 films: in each of three folds, 7 are in test, 16 in train and 2 unused. Half the
classes are silent, as in UCF101; it is not known whether the real HMDB51 has sound.
"""

from collections.abc import Sequence
from pathlib import Path

from iicl.data.synthetic.layouts.parts import Item, render_clip, write_text
from iicl.data.synthetic.media import Media
from iicl.data.synthetic.world import CLASSES, Kind, World

PURPOSE = "downstream"
KINDS: tuple[Kind, ...] = CLASSES["hmdb51"]
LEAST = 3

_TESTS = {1: range(1, 8), 2: range(8, 15), 3: range(15, 22)}
_UNUSED = {1: (22, 23), 2: (23, 24), 3: (24, 25)}
# Order of films: first those that fill the test splits of all folds, then those unused in some.
_ORDER = (1, 8, 15, 23, 2, 9, 16, 24, 3, 10, 17, 22, 4, 11, 18, 25, 5, 12, 19, 6, 13, 20, 7, 14, 21)


def place(world: World, seed: int, index: int) -> Item:
    """See :class:`iicl.data.synthetic.layouts.Layout`."""
    turn, class_index = divmod(index, len(KINDS))
    name = KINDS[class_index].name
    number, position = divmod(turn, len(_ORDER))
    film = _ORDER[position]
    file = f"World[{film:02d}]_{name}_f_nm_np1_fr_med_{number}.avi"
    return Item(class_index, film, number, f"hmdb51_org/{name}/{file}")


def render(world: World, seed: int, item: Item) -> Media:
    """See :class:`iicl.data.synthetic.layouts.Layout`."""
    return render_clip("hmdb51", world, seed, item)


def write_lists(root: Path, items: Sequence[Item], world: World, seed: int) -> None:
    """Write the split files: 1 is train, 2 test, 0 unused; lines end in a space."""
    lists = root / "testTrainMulti_7030_splits"
    lists.mkdir()
    for class_index, kind in enumerate(KINDS):
        members = sorted(
            (Path(item.path).name, item.group) for item in items if item.class_index == class_index
        )
        for fold in _TESTS:
            lines = [f"{name} {_code(film, fold)} \n" for name, film in members]
            write_text(lists / f"{kind.name}_test_split{fold}.txt", "".join(lines))


def _code(film: int, fold: int) -> int:
    if film in _UNUSED[fold]:
        return 0
    return 2 if film in _TESTS[fold] else 1
