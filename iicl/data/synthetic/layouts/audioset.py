"""AudioSet: lists of segments with one or more labels; ``video/<ytid>_<start ms>_<end ms>.mp4``.

One in ten items of every class is listed in ``eval_segments.csv``.
"""

import csv
from collections.abc import Sequence
from pathlib import Path

from iicl.data.synthetic.layouts.parts import Item, render_clip, write_text, youtube_id
from iicl.data.synthetic.media import Media
from iicl.data.synthetic.scene import draw_scene
from iicl.data.synthetic.world import CLASSES, Kind, World

PURPOSE = "pretraining"
KINDS: tuple[Kind, ...] = CLASSES["audioset"]
LEAST = 1


def place(world: World, seed: int, index: int) -> Item:
    """See :class:`iicl.data.synthetic.layouts.Layout`."""
    turn, class_index = divmod(index, len(KINDS))
    name, start = youtube_id(seed, index)
    path = f"video/{name}_{1000 * start}_{1000 * start + round(1000 * world.seconds)}.mp4"
    return Item(class_index, turn, 0, path)


def render(world: World, seed: int, item: Item) -> Media:
    """See :class:`iicl.data.synthetic.layouts.Layout`."""
    return render_clip("audioset", world, seed, item)


def write_lists(root: Path, items: Sequence[Item], world: World, seed: int) -> None:
    """Write the two segment lists and the table of labels; each event of an item gives a label."""
    classes = CLASSES["audioset"]
    mids = {(kind.motion, kind.sound): _mid(i) for i, kind in enumerate(classes)}
    splits = {
        "balanced_train_segments.csv": [item for item in items if not _is_test(item)],
        "eval_segments.csv": [item for item in items if _is_test(item)],
    }
    for name, members in splits.items():
        rows = []
        for item in sorted(members, key=lambda item: item.path):
            ytid, start, end = Path(item.path).stem.rsplit("_", 2)
            scene = draw_scene(world, "audioset", item.class_index, seed, item.group, item.number)
            labels = [mids[event.motion, event.sound] for event in scene.events]
            seconds = f"{int(start) / 1000:.3f}, {int(end) / 1000:.3f}"
            rows.append((ytid, seconds, labels))
        num_labels = len({label for _, _, labels in rows for label in labels})
        num_positive = sum(len(labels) for _, _, labels in rows)
        header = (
            "# Segments csv created by iicl.data.synthetic\n"
            f"# num_ytids={len(rows)}, num_segs={len(rows)}, num_unique_labels={num_labels}, "
            f"num_positive_labels={num_positive}\n"
            "# YTID, start_seconds, end_seconds, positive_labels\n"
        )
        body = "".join(f'{ytid}, {times}, "{",".join(labels)}"\n' for ytid, times, labels in rows)
        write_text(root / name, header + body)
    with open(root / "class_labels_indices.csv", "w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("index", "mid", "display_name"))
        table.writerows((i, _mid(i), kind.name) for i, kind in enumerate(classes))


def _is_test(item: Item) -> bool:
    return (item.group + item.class_index) % 10 == 1


def _mid(class_index: int) -> str:
    return f"/m/world{class_index:02d}"
