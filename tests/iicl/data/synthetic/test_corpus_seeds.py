"""A corpus is a function of its seed: equal seeds give equal bytes, unlike ones another corpus."""

from pathlib import Path

import pytest

from iicl.data.synthetic.layouts import LAYOUTS, kinetics400, plan
from iicl.data.synthetic.scene import Event, draw_scene
from iicl.data.synthetic.world import CLASSES, World
from iicl.data.synthetic.write import generate

SMALL = World(width=16, height=16, num_frames=2, scene_seconds=0.5)
TYPICAL = World(alpha=1.0, second_event=0.0)  # every item looks as its class does
NUM_GROUPS = 40


def files(corpus: str, root: Path, seed: int) -> dict[tuple[int, int, int], bytes]:
    """The bytes of every item, by its class, group and number."""
    num_items = len(LAYOUTS[corpus].KINDS) * LAYOUTS[corpus].LEAST
    generate(corpus, root, num_items=num_items, seed=seed, world=SMALL)
    return {
        (item.class_index, item.group, item.number): (root / item.path).read_bytes()
        for item in plan(corpus, num_items, seed, SMALL)
    }


@pytest.mark.parametrize("corpus", LAYOUTS)
def test_equal_seeds_give_equal_bytes_and_unlike_seeds_other_items(corpus, tmp_path):
    first, again = (files(corpus, tmp_path / name, 1) for name in ("first", "again"))
    other = files(corpus, tmp_path / "other", 2)
    assert first == again
    assert first.keys() == other.keys()
    assert not set(first.values()) & set(other.values())


def typical(corpus: str, class_index: int, seed: int) -> tuple[str, float, float]:
    """The shape and the mean hue of a class, and its pitch at a size of 1 half height."""
    events: list[Event] = [
        draw_scene(TYPICAL, corpus, class_index, seed, group, 0).events[0]
        for group in range(NUM_GROUPS)
    ]
    (shape,) = {event.look.shape for event in events}
    hues = sorted(event.look.hue for event in events)
    return shape, hues[NUM_GROUPS // 2], sum(event.octave for event in events) / NUM_GROUPS


@pytest.mark.parametrize("corpus", CLASSES)
def test_priors_of_the_classes_follow_the_seed(corpus):
    classes = range(len(CLASSES[corpus]))
    first, second = ([typical(corpus, c, seed) for c in classes] for seed in (0, 1))
    pairs = list(zip(first, second, strict=True))
    assert sum(a[0] != b[0] for a, b in pairs) > len(classes) / 2  # 4 in 5 by chance
    assert sum(abs(a[1] - b[1]) > 0.1 for a, b in pairs) > len(classes) / 2


@pytest.mark.parametrize("corpus", CLASSES)
def test_the_background_of_a_class_follows_the_seed(corpus):
    def hue(class_index: int, seed: int) -> float:
        return draw_scene(TYPICAL, corpus, class_index, seed, 1, 1).background.hue

    classes = range(len(CLASSES[corpus]))
    assert sum(abs(hue(c, 0) - hue(c, 1)) > 0.1 for c in classes) > len(classes) / 2


@pytest.mark.parametrize(("num_items", "train", "with_sound"), [(2600, 2274, 2213), (60, 52, 51)])
def test_the_counts_of_the_scales_hold_for_other_seeds_too(num_items, train, with_sound):
    """Only Kinetics-400 has counts that depend on the seed."""
    sizes = []
    for seed in range(5):
        items = plan("kinetics400", num_items, seed, World())
        listed = [item for item in items if item.path.startswith("train/")]
        heard = sum(not kinetics400.is_silent(World(), seed, item) for item in listed)
        sizes.append((len(listed), heard))
    assert sizes[0] == (train, with_sound)
    assert {size for size, _ in sizes} == {train}
    assert all(heard == pytest.approx(with_sound, rel=0.01, abs=3) for _, heard in sizes)
