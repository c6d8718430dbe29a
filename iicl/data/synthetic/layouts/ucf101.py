"""UCF101: ``UCF-101/<Class>/v_<Class>_gXX_cYY.avi`` and the lists of three folds.

A class has 25 groups; 8 of them are in test in each fold: g01-g08, g09-g16, g17-g24.
"""

from collections.abc import Sequence
from pathlib import Path

from iicl.data.synthetic.layouts.parts import Item, render_clip, write_text
from iicl.data.synthetic.media import Media
from iicl.data.synthetic.world import CLASSES, Kind, World

PURPOSE = "downstream"
KINDS: tuple[Kind, ...] = CLASSES["ucf101"]
LEAST = 2

_NUM_GROUPS = 25
_NUM_FOLDS = 3
_GROUPS_PER_TEST = 8


def place(world: World, seed: int, index: int) -> Item:
    """See :class:`iicl.data.synthetic.layouts.Layout`."""
    turn, class_index = divmod(index, len(KINDS))
    name = KINDS[class_index].name
    group, number = _group(turn, class_index), turn // _NUM_GROUPS + 1
    return Item(
        class_index, group, number, f"UCF-101/{name}/v_{name}_g{group:02d}_c{number:02d}.avi"
    )


def render(world: World, seed: int, item: Item) -> Media:
    """See :class:`iicl.data.synthetic.layouts.Layout`."""
    return render_clip("ucf101", world, seed, item)


def held_out_groups(fold: int) -> range:
    """The groups in the test split of a fold; g25 is in train in all folds."""
    return range((fold - 1) * _GROUPS_PER_TEST + 1, fold * _GROUPS_PER_TEST + 1)


def _group(turn: int, class_index: int) -> int:
    """The group of an item; the order of groups fills the test splits of all folds early."""
    turn %= _NUM_GROUPS
    if turn == _NUM_GROUPS - 1:
        return _NUM_GROUPS
    folds = (3, 1, 2) if class_index % 2 == 0 else (2, 1, 3)
    return held_out_groups(folds[turn % _NUM_FOLDS])[turn // _NUM_FOLDS]


def write_lists(root: Path, items: Sequence[Item], world: World, seed: int) -> None:
    """Write the class numbers and the lists of three folds, whose test groups are disjoint."""
    lists = root / "ucfTrainTestlist"
    lists.mkdir()
    # Official numbers are alphabetical.
    names = sorted(kind.name for kind in KINDS)
    numbers = {name: number for number, name in enumerate(names, start=1)}
    _write_lines(lists / "classInd.txt", [f"{numbers[name]} {name}" for name in names])
    members = sorted((item.path.removeprefix("UCF-101/"), item.group) for item in items)
    for fold in range(1, _NUM_FOLDS + 1):
        test = [path for path, group in members if group in held_out_groups(fold)]
        train = [path for path, group in members if group not in held_out_groups(fold)]
        _write_lines(lists / f"testlist{fold:02d}.txt", test)
        _write_lines(
            lists / f"trainlist{fold:02d}.txt",
            [f"{path} {numbers[path.split('/')[0]]}" for path in train],
        )


def _write_lines(path: Path, lines: list[str]) -> None:
    """Write lines that end in CRLF, as the official lists do."""
    write_text(path, "".join(f"{line}\r\n" for line in lines))
