"""Every generated corpus is what the reader of its real counterpart reads."""

from collections import Counter, defaultdict

import pytest

from iicl.config import Preparation
from iicl.data import datasets
from iicl.data.manifest import Manifest
from iicl.data.prepare import prepare
from iicl.data.synthetic.layouts import LAYOUTS, kinetics400, layout, plan
from iicl.data.synthetic.world import EventClass, World
from iicl.data.synthetic.write import generate

WORLD = World(num_frames=8, scene_seconds=2.0, silent=0.2)
NUM_PER_CLASS = 3


@pytest.fixture(scope="module", params=LAYOUTS)
def generated(request, tmp_path_factory):
    corpus = request.param
    root = tmp_path_factory.mktemp(corpus)
    num_items = NUM_PER_CLASS * len(layout(corpus).KINDS)
    generate(corpus, root / "source", num_items=num_items, world=WORLD)
    manifest = prepare(
        corpus,
        root / "source",
        root / "prepared",
        corpus=corpus,
        preparation=Preparation(short_side=32, max_fps=8.0),
        num_workers=1,
    )
    return corpus, root / "source", manifest


def test_the_official_reader_finds_every_item(generated):
    corpus, source, manifest = generated
    assert datasets.detect(corpus, source) == corpus
    listing = datasets.reader(corpus).discover(source)
    items = plan(corpus, len(manifest.items), 0, WORLD)
    assert {item.path for item in listing.items} == {source / item.path for item in items}
    assert len({label for item in listing.items for label in item.labels}) == len(
        layout(corpus).KINDS
    )
    assert set(listing.num_official) == set(datasets.reader(corpus).NUM_OFFICIAL)
    for key, count in listing.num_official.items():
        fold, split = key.split("/")
        assert count == sum(item.splits.get(fold) == split for item in listing.items)


def test_everything_is_prepared_with_the_views_that_its_class_has(generated):
    corpus, _, manifest = generated
    by_id = {item.id: item for item in manifest.items}
    for item in plan(corpus, len(by_id), 0, WORLD):
        kind = layout(corpus).KINDS[item.class_index]
        (row,) = [row for name, row in by_id.items() if name in item.path]
        if not isinstance(kind, EventClass):
            assert row.views == ("audio",)
            assert row.num_samples == WORLD.scene_seconds * 16_000
        else:
            silent = kind.sound is None
            silent |= corpus == "kinetics400" and kinetics400.is_silent(WORLD, 0, item)
            assert row.views == (("video",) if silent else ("video", "audio"))
            assert row.num_frames == WORLD.num_frames


def test_splits_are_disjoint_by_group_and_hold_every_class(generated):
    corpus, _, manifest = generated
    assert_splits(manifest, sides_of_all_classes=corpus not in ("audioset", "kinetics400"))


def assert_splits(manifest: Manifest, sides_of_all_classes: bool) -> None:
    sides, labels = defaultdict(set), defaultdict(set)
    for item in manifest.items:
        for fold, split in item.splits.items():
            sides[fold, item.group].add(split)
            labels[fold, split].update(item.labels)
    assert all(len(splits) == 1 for splits in sides.values())
    if sides_of_all_classes:
        assert all(len(numbers) == len(manifest.classes) for numbers in labels.values())
        assert set(labels) == {(f, s) for f, _ in labels for s in ("train", "test")}


def test_one_in_eight_kinetics_items_is_in_val_and_silence_is_in_both_lists():
    items = plan("kinetics400", 4000, 0, World())
    listed = Counter(item.path.split("/")[0] for item in items)
    assert listed == {"train": 3500, "val": 500}
    silent = Counter(
        item.path.split("/")[0] for item in items if kinetics400.is_silent(World(), 0, item)
    )
    assert 0.02 < silent["train"] / 3500 < 0.04
    assert 0.015 < silent["val"] / 500 < 0.05


def test_hmdb51_is_split_70_to_30_with_some_unused(tmp_path):
    world = World(width=16, height=16, num_frames=1)
    generate("hmdb51", tmp_path / "hmdb51", num_items=12 * 25, world=world)
    listing = datasets.reader("hmdb51").discover(tmp_path / "hmdb51")
    assert listing.num_official == {
        f"{fold}/{split}": 12 * count
        for fold in "123"
        for split, count in (("train", 16), ("test", 7))
    }
    tested = Counter(fold for item in listing.items for fold in item.splits.values())
    assert tested["test"] == 3 * 12 * 7
    per_item = [sum(split == "test" for split in item.splits.values()) for item in listing.items]
    assert set(per_item) == {0, 1}


def test_a_full_dcase2013_is_100_and_100():
    items = plan("dcase2013", 200, 0, World())
    folders = Counter((item.path.split("/")[0], item.class_index) for item in items)
    assert set(folders.values()) == {10}
    assert len({item.path for item in items}) == 200
