"""Recordings of acoustic scenes: what is drawn, and that settings reach the samples."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from iicl.data.synthetic.scene import generator
from iicl.data.synthetic.soundscape import RATE, draw_soundscape, render_soundscape
from iicl.data.synthetic.world import SCENES, SOUNDS, World


def test_no_sound_tells_a_scene_and_no_two_scenes_have_the_same_sounds():
    num_scenes = Counter(sound for kind in SCENES for sound in kind.bursts)
    assert set(num_scenes) == set(SOUNDS)
    assert set(num_scenes.values()) == {3, 4}
    assert len({frozenset(kind.bursts) for kind in SCENES}) == len(SCENES) == 10
    assert all(kind.name.isalpha() for kind in SCENES)  # the official labels end at a digit


@pytest.mark.parametrize("class_index", range(len(SCENES)))
def test_bursts_come_as_often_as_the_class_says(class_index):
    counts = {}
    for overlap in (0.0, 1.0):
        world = World(scene_seconds=60.0, scene_overlap=overlap)
        drawn = [draw_soundscape(world, class_index, 0, number) for number in range(40)]
        counts[overlap] = Counter(b.event.sound for scape in drawn for b in scape.bursts)
    bursts = SCENES[class_index].bursts
    assert set(counts[0.0]) == set(bursts)
    for sound in SOUNDS:
        expected = 40 * (bursts.get(sound, 0.0) + sum(bursts.values()) / len(SOUNDS))
        assert counts[1.0][sound] == pytest.approx(expected, abs=5 * expected**0.5)
        if sound in bursts:
            assert counts[0.0][sound] == pytest.approx(
                40 * bursts[sound], abs=5 * (40 * bursts[sound]) ** 0.5
            )


def test_a_soundscape_is_a_function_of_its_numbers():
    drawn = [draw_soundscape(World(), 3, seed, number) for seed, number in ((0, 1), (0, 1), (1, 1))]
    assert drawn[0] == drawn[1] != drawn[2]


def test_a_burst_is_heard_when_and_where_it_is_drawn():
    world = World(scene_seconds=4.0)
    scape = draw_soundscape(world, 0, 0, 0)
    burst = replace(scape.bursts[0], start_seconds=1.5, seconds=1.0, pan=0.0, level_db=0.0)
    scape = replace(scape, bursts=(burst,), snr_db=60.0, gain_db=0.0)
    samples = render_soundscape(world, scape, generator(0))
    assert samples.shape == (4 * RATE, 2)
    assert samples.dtype == np.int16
    loud = np.abs(samples.astype(float)).reshape(8, -1, 2).mean(1)
    assert loud[3:5, 0].min() > 5 * loud[[0, 1, 2, 5, 6, 7], 0].max()
    assert loud[3:5, 0].min() > 5 * loud[3:5, 1].max()


def test_noise_has_the_ratio_and_both_channels_their_own():
    world = World(scene_seconds=4.0)
    scape = replace(draw_soundscape(world, 0, 0, 0), bursts=(), gain_db=0.0, noise_slope=1.0)
    levels = []
    for snr_db in (0.0, -6.0):
        samples = render_soundscape(world, replace(scape, snr_db=snr_db), generator(0))
        left, right = samples.T.astype(float)
        levels.append(np.sqrt(np.mean(left**2)))
        assert abs(np.corrcoef(left, right)[0, 1]) < 0.2
    assert levels[1] / levels[0] == pytest.approx(10 ** (6 / 20), rel=0.01)


@pytest.mark.parametrize("setting", ["scene_snr_db", "scene_seconds"])
def test_settings_reach_what_is_drawn(setting):
    value = {"scene_snr_db": (20.0, 20.0), "scene_seconds": 1.0}[setting]
    scape = draw_soundscape(replace(World(), **{setting: value}), 0, 0, 0)
    if setting == "scene_snr_db":
        assert scape.snr_db == 20.0
    else:
        assert all(0 <= b.start_seconds <= 1.0 - b.seconds + 1e-9 for b in scape.bursts)
