import numpy as np
import pytest

from iicl.config import Clip
from iicl.data.manifest import ManifestItem
from iicl.data.sampling import (
    Share,
    draw_uniform,
    epoch_passes,
    first_sound_sample,
    frame_numbers,
    num_steps,
    sounds_of_others,
    uniform_boxes,
)


@pytest.mark.parametrize("fps", [6, 8.0, 16.0, 25.0, 30000 / 1001])
@pytest.mark.parametrize("clip_fps", [4, 8, 25, 30])
def test_frames_are_the_nearest(fps: float, clip_fps: float) -> None:
    item = ManifestItem("x", (), {}, "", num_frames=300, fps=fps)
    clip = Clip(num_frames=16, fps=clip_fps)
    for start in (0.0, 0.31, 1.7):
        for k, number in enumerate(frame_numbers(item, start, clip)):
            time = start + k / clip_fps
            distances = np.abs(np.arange(300) / fps - time)
            assert distances[number] == pytest.approx(distances.min(), abs=1e-5)


def test_a_clip_longer_than_its_item_starts_over() -> None:
    item = ManifestItem("x", (), {}, "", num_frames=5, fps=10.0)
    numbers = frame_numbers(item, 0.0, Clip(num_frames=12, fps=10))
    np.testing.assert_array_equal(numbers, [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1])
    exact = frame_numbers(item, 0.0, Clip(num_frames=8, fps=16))
    assert exact.max() == 4
    assert (np.diff(exact) >= 0).all()


def test_three_crops_lie_along_the_longer_side() -> None:
    np.testing.assert_array_equal(
        uniform_boxes(32, 42, 3), [[0, 0, 32, 32], [0, 5, 32, 32], [0, 10, 32, 32]]
    )
    np.testing.assert_array_equal(uniform_boxes(50, 32, 1), [[9, 0, 32, 32]])


def test_the_number_of_steps() -> None:
    assert num_steps(6, 1, 4, False) == 2
    assert num_steps(6, 1, 4, True) == 1
    assert num_steps(4, 2, 4, False) == num_steps(4, 2, 4, True) == 2
    assert num_steps(6, 2, 4, True) == 2  # not 3: twelve clips, but of two passes
    assert num_steps(6, 2, 4, False) == 4


@pytest.mark.parametrize("num_items", [2, 3, 7, 40])
def test_every_sound_is_used_once_an_epoch_and_never_with_its_own_item(num_items: int) -> None:
    for epoch in range(50):
        sounds = sounds_of_others(num_items, seed=1, epoch=epoch)
        assert sorted(sounds) == list(range(num_items))
        assert (sounds != np.arange(num_items)).all()
        np.testing.assert_array_equal(sounds, sounds_of_others(num_items, seed=1, epoch=epoch))


def test_the_sounds_are_drawn_anew_in_each_epoch_and_of_each_seed() -> None:
    drawn = {tuple(sounds_of_others(40, seed, epoch)) for seed in (1, 2) for epoch in range(5)}
    assert len(drawn) == 10
    given = {sounds_of_others(40, 1, epoch)[0] for epoch in range(50)}
    assert len(given) > 20


def test_an_epoch_is_passes_in_random_order_or_the_order_given() -> None:
    given = [7, 3, 9, 5]
    (uniform,) = epoch_passes(given, "uniform", 2, seed=1, epoch=4)
    assert [tuple(s) for s in uniform] == [
        (4, position, k, position) for position in given for k in (0, 1)
    ]
    drawn = epoch_passes(given, "random", 2, seed=1, epoch=4)
    for k, one_pass in enumerate(drawn):
        assert {(s.epoch, s.sound_position - s.position) for s in one_pass} == {(4, 0)}
        assert sorted(sample.position for sample in one_pass) == sorted(given)
        assert {sample.clip_index for sample in one_pass} == {k}
    assert len(drawn) == 2
    assert drawn == epoch_passes(given, "random", 2, seed=1, epoch=4)
    others = [epoch_passes(given, "random", 2, seed, 4) for seed in range(2, 6)]
    assert any(other != drawn for other in others)


def test_shuffled_pairs_keep_the_order_and_change_the_sounds() -> None:
    given = [7, 3, 9, 5]
    own = epoch_passes(given, "random", 2, seed=1, epoch=4)
    shuffled = epoch_passes(given, "random", 2, seed=1, epoch=4, pairing="shuffled")
    sounds = sounds_of_others(4, seed=1, epoch=4)
    for own_pass, shuffled_pass in zip(own, shuffled, strict=True):
        for one, other in zip(own_pass, shuffled_pass, strict=True):
            expected = given[sounds[given.index(one.position)]]
            assert other == one._replace(sound_position=expected)


def test_an_item_without_video_is_sampled_by_its_sound() -> None:
    item = ManifestItem("x", (), {}, "", views=("audio",), num_samples=5 * 16_000)
    clip = Clip(audio_seconds=2.0, sample_rate=16_000)
    starts = [draw_uniform(item, k, 3, 1, clip).start_seconds for k in range(3)]
    assert starts == [0.0, 1.5, 3.0]
    assert [first_sound_sample(item, start, clip) for start in starts] == [0, 24_000, 48_000]
    assert first_sound_sample(item, 4.5, clip) == 48_000


@pytest.mark.parametrize("count", [0, 1, 3, 7, 100])
@pytest.mark.parametrize("num_ranks", [1, 2, 3, 5])
def test_shares_are_all_of_it_in_order_and_even(count: int, num_ranks: int) -> None:
    shares = [Share(rank, num_ranks).of(count) for rank in range(num_ranks)]
    assert [k for share in shares for k in share] == list(range(count))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize(("batch_size", "chunk_size"), [(8, 2), (11, 2), (9, 1), (256, 32), (7, 2)])
@pytest.mark.parametrize("num_ranks", [1, 2, 3, 4])
def test_shares_of_a_batch_are_whole_chunks(
    batch_size: int, chunk_size: int, num_ranks: int
) -> None:
    shares = [Share(r, num_ranks).of_batch(batch_size, chunk_size) for r in range(num_ranks)]
    assert [k for share in shares for k in share] == list(range(batch_size))
    assert all(share and share.start % chunk_size == 0 for share in shares)


def test_more_ranks_than_chunks_are_refused() -> None:
    message = "a batch of 32 in chunks of 32 is work for 1 rank, got 2"
    with pytest.raises(ValueError, match=message):
        Share(0, 2).of_batch(32, 32)
    with pytest.raises(ValueError, match="a batch of 9 in chunks of 4 is work for 3 ranks, got 4"):
        Share(3, 4).of_batch(9, 4)
