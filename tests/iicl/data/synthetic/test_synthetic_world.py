"""The world: semantic confusion, shared hidden causes, and nuisances that follow their settings."""

from collections import Counter, defaultdict
from dataclasses import replace

import numpy as np
import pytest

from iicl.data.synthetic.scene import draw_scene, generator
from iicl.data.synthetic.sound import event_sound, render_sound
from iicl.data.synthetic.video import render_video, tracks
from iicl.data.synthetic.world import CLASSES, MOTIONS, SOUNDS, World

CLEAN = World(pixel_noise=0.0, snr_db=(40.0, 40.0), overlap=0.0, second_event=0.0)
PRETRAINING, DOWNSTREAM = CLASSES["audioset"], CLASSES["ucf101"]


def test_pretraining_classes_confuse_sound_and_motion_both_ways():
    motions_of, sounds_of = defaultdict(set), defaultdict(set)
    for kind in PRETRAINING:
        motions_of[kind.sound].add(kind.motion)
        sounds_of[kind.motion].add(kind.sound)
    assert len({(kind.motion, kind.sound) for kind in PRETRAINING}) == len(PRETRAINING) == 20
    assert set(motions_of) == set(SOUNDS)
    assert {len(motions) for motions in motions_of.values()} <= {2, 3}
    assert set(sounds_of) == set(MOTIONS)
    assert Counter(len(sounds) for sounds in sounds_of.values()) == {2: 8, 1: 4}


def test_downstream_classes_are_every_motion_slow_and_fast_partly_new_and_partly_silent():
    heard = {(kind.motion, kind.sound) for kind in PRETRAINING}
    audible = [kind for kind in DOWNSTREAM if kind.sound is not None]
    assert Counter(kind.motion for kind in DOWNSTREAM) == dict.fromkeys(MOTIONS, 2)
    for slow, fast in zip(DOWNSTREAM[::2], DOWNSTREAM[1::2], strict=True):
        assert slow.motion == fast.motion
        assert slow.rate[1] < fast.rate[0]
    assert len(audible) == 16
    assert sum((kind.motion, kind.sound) not in heard for kind in audible) == 8


def test_kinetics_has_the_pretraining_classes_and_hmdb_every_motion_once():
    kinetics = CLASSES["kinetics400"]
    assert [(k.motion, k.sound, k.rate) for k in kinetics] == [
        (k.motion, k.sound, k.rate) for k in PRETRAINING
    ]
    hmdb = CLASSES["hmdb51"]
    assert [kind.motion for kind in hmdb] == list(MOTIONS)
    assert sum(kind.sound is None for kind in hmdb) == 6


def test_items_of_kinetics_show_one_event_whatever_the_world():
    scenes = [
        draw_scene(World(second_event=1.0), "kinetics400", c, 0, group, 0)
        for c in range(20)
        for group in range(3)
    ]
    assert {len(scene.events) for scene in scenes} == {1}


@pytest.mark.parametrize("corpus", CLASSES)
def test_a_scene_is_a_function_of_its_numbers(corpus):
    scene = draw_scene(World(), corpus, 3, 0, 1, 1)
    again = draw_scene(World(), corpus, 3, 0, 1, 1)
    assert scene.events == again.events
    assert scene.hearing == again.hearing
    np.testing.assert_array_equal(scene.background.phase, again.background.phase)
    assert scene.events != draw_scene(World(), corpus, 3, 1, 1, 1).events


def test_items_of_a_group_share_the_nuisances_and_differ_in_the_event():
    first, second = (draw_scene(World(), "ucf101", 0, 0, 7, number) for number in (1, 2))
    other = draw_scene(World(), "ucf101", 0, 0, 8, 1)
    np.testing.assert_array_equal(first.background.kx, second.background.kx)
    assert first.events[0].look == second.events[0].look != other.events[0].look
    assert first.camera == second.camera != other.camera
    assert first.events[0].rate != second.events[0].rate
    assert first.events[0].onset != second.events[0].onset


def test_alpha_is_how_often_an_object_has_the_shape_of_its_class():
    def share_of_commonest(alpha: float) -> float:
        world = World(alpha=alpha, second_event=0.0)
        shapes = Counter(
            draw_scene(world, "audioset", 0, 0, group, 0).events[0].look.shape
            for group in range(300)
        )
        return max(shapes.values()) / 300

    assert share_of_commonest(1.0) == 1.0
    assert share_of_commonest(0.6) == pytest.approx(0.6 + 0.4 / 5, abs=0.08)
    assert share_of_commonest(0.0) < 0.3


def test_pretraining_and_downstream_classes_of_a_motion_look_different():
    hues = [
        np.median(
            [draw_scene(World(alpha=1), corpus, 0, 0, g, 0).events[0].look.hue for g in range(9)]
        )
        for corpus in ("audioset", "ucf101")
    ]
    assert abs(hues[0] - hues[1]) > 0.1


def test_an_event_is_seen_and_heard_at_the_same_moments():
    event = draw_scene(CLEAN, "audioset", 0, 0, 0, 0).events[0]
    assert (event.motion, event.sound) == ("bounce", "thud")
    time = np.arange(0, 3, 0.001)
    height = tracks(event, time)[0][1]  # downwards
    lowest = time[1:-1][(height[1:-1] > height[:-2]) & (height[1:-1] >= height[2:])]
    sample_time = np.arange(48_000) / 16_000
    loudness = np.abs(event_sound(event, sample_time, generator(0)))
    onsets = (np.ceil(event.onset) - event.onset + np.arange(5)) / event.rate
    onsets = onsets[(onsets > 0.05) & (onsets < 2.9)]
    assert len(onsets) >= 2
    for onset in onsets:
        assert np.abs(lowest - onset).min() < 0.002
        after = loudness[(sample_time >= onset) & (sample_time < onset + 0.03)].mean()
        before = loudness[(sample_time >= onset - 0.03) & (sample_time < onset)].mean()
        assert after > 3 * before


def test_motion_energy_and_loudness_agree_within_items_and_not_across_them():
    def profiles(class_index: int, group: int) -> tuple[np.ndarray, np.ndarray]:
        scene = draw_scene(CLEAN, "audioset", class_index, 0, group, 0)
        planes = render_video(CLEAN, scene, generator(0)).astype(np.float64)
        energy = np.abs(np.diff(planes, axis=0)).mean((1, 2))
        samples = render_sound(CLEAN, scene, generator(0)).astype(np.float64)
        loudness = np.sqrt((samples.reshape(24, 2000) ** 2).mean(1))[1:]
        return energy, loudness

    def coherence(energy: np.ndarray, loudness: np.ndarray) -> float:
        """Best absolute correlation over shifts of up to two frames."""
        return max(
            abs(np.corrcoef(energy[2:-2], loudness[2 + lag : len(loudness) - 2 + lag])[0, 1])
            for lag in range(-2, 3)
        )

    paired, shuffled = [], []
    for class_index in range(len(PRETRAINING)):
        seen = [profiles(class_index, group) for group in range(4)]
        for i in range(4):
            paired.append(coherence(seen[i][0], seen[i][1]))
            shuffled.append(coherence(seen[i][0], seen[(i + 1) % 4][1]))
    assert np.mean(paired) > np.mean(shuffled) + 0.1


def test_a_larger_object_sounds_lower():
    event = draw_scene(CLEAN, "audioset", 16, 0, 0, 0).events[0]
    assert event.sound == "hum"
    events = [draw_scene(CLEAN, "audioset", 16, 0, group, 0).events[0] for group in range(40)]
    sizes, octaves = np.array([(e.look.size, e.octave) for e in events]).T
    assert np.corrcoef(np.log2(sizes), octaves)[0, 1] < -0.9
    time = np.arange(48_000) / 16_000
    low, high = (
        np.abs(np.fft.rfft(event_sound(replace(event, octave=octave), time, generator(0)))).argmax()
        for octave in (0.0, 1.0)
    )
    assert high / low == pytest.approx(2.0, rel=0.02)


@pytest.mark.parametrize("motion", MOTIONS)
def test_every_motion_moves_and_keeps_its_object_mostly_in_the_picture(motion):
    class_index = next(i for i, kind in enumerate(DOWNSTREAM) if kind.motion == motion)
    scene = draw_scene(CLEAN, "ucf101", class_index, 0, 1, 1)
    planes = render_video(CLEAN, scene, generator(0))
    assert planes.shape == (24, 48, 40)
    assert planes.dtype == np.uint8
    moved = np.abs(np.diff(planes.astype(int), axis=0)).max((1, 2)) > 25
    assert moved.mean() > 0.2
    empty = render_video(CLEAN, replace(scene, events=()), generator(0))
    visible = (np.abs(planes.astype(int) - empty) > 15).any((1, 2))
    assert visible.mean() > 0.4


@pytest.mark.parametrize("sound", SOUNDS)
def test_every_sound_has_unit_level_and_its_noise_the_ratio_asked_for(sound):
    class_index = next(i for i, kind in enumerate(PRETRAINING) if kind.sound == sound)
    scene = draw_scene(CLEAN, "audioset", class_index, 0, 0, 0)
    wave = event_sound(scene.events[0], np.arange(48_000) / 16_000, generator(0))
    assert np.sqrt(np.mean(wave**2)) == pytest.approx(1.0)

    quiet = replace(scene.hearing, gain_db=0.0, tone_level=0.0, noise_slope=0.0, extra=None)
    powers = [
        np.mean(
            render_sound(
                CLEAN, replace(scene, hearing=replace(quiet, snr_db=snr_db)), generator(0)
            ).astype(np.float64)
            ** 2
        )
        for snr_db in (60.0, 0.0)
    ]
    assert powers[1] / powers[0] == pytest.approx(2.0, rel=0.05)


def test_a_scene_of_silent_events_has_no_sound():
    class_index = next(i for i, kind in enumerate(DOWNSTREAM) if kind.sound is None)
    scene = draw_scene(World(), "ucf101", class_index, 0, 1, 1)
    assert render_sound(World(), scene, generator(0)) is None


def test_difficulty_settings_reach_the_picture():
    scene = draw_scene(CLEAN, "audioset", 0, 0, 0, 0)
    flat = replace(scene, events=(), camera=replace(scene.camera, wobble=0.0, vx=0.0, vy=0.0))
    still = render_video(CLEAN, flat, generator(0)).astype(int)
    assert (still == still[0]).all()
    noisy = render_video(World(pixel_noise=0.05), flat, generator(0)).astype(int)
    deviation = (noisy - still)[:, : World().height].std()
    assert deviation == pytest.approx(0.05 * 219, rel=0.1)
    moving = render_video(CLEAN, replace(flat, camera=replace(flat.camera, vx=0.5)), generator(0))
    assert np.abs(moving.astype(int)[0] - moving[-1]).max() > 10
    drawn = [draw_scene(World(max_distractors=2), "audioset", 0, 0, g, 0) for g in range(60)]
    assert Counter(len(scene.distractors) for scene in drawn).keys() == {0, 1, 2}
