"""The official layouts: names and places of the files of a corpus, and its lists and splits."""

import base64
import csv
import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from iicl.data.synthetic.scene import Scene
from iicl.data.synthetic.world import CLASSES, CorpusName, World

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


def plan(corpus: CorpusName, num_items: int, seed: int, world: World) -> list[Item]:
    """The files of a corpus, in the order they are drawn: a smaller corpus is a prefix.

    Args:
        corpus: see :func:`iicl.data.synthetic.write.generate`.
        num_items: see :func:`iicl.data.synthetic.write.generate`.
        seed: see :func:`iicl.data.synthetic.write.generate`.
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


def write_audioset_lists(root: Path, items: list[Item], scene: Callable[[Item], Scene]) -> None:
    """Write the two segment lists and the table of labels.

    Args:
        root: folder of the corpus.
        items: all of its items.
        scene: what happens in an item; every event of it is a label.
    """
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
        write_text(root / name, header + body)
    with open(root / "class_labels_indices.csv", "w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("index", "mid", "display_name"))
        table.writerows((i, _mid(i), kind.name) for i, kind in enumerate(classes))


def write_ucf101_lists(root: Path, items: list[Item]) -> None:
    """Write the class numbers and the lists of three folds, whose test groups are disjoint.

    Args:
        root: folder of the corpus.
        items: all of its items.
    """
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
    write_text(path, "".join(f"{line}\r\n" for line in lines))


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as it is, line ends included, through to the disk."""
    with open(path, "wb") as file:
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())
