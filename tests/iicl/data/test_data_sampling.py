from dataclasses import replace

import numpy as np
import pytest

from iicl.data.sampling import Batching, Pick, Share, epoch_passes, num_steps, partners
from iicl.samples import AUDIO, VIDEO, Sample, shuffled

PAIR = (VIDEO, AUDIO)
TWO_PASSES = Batching("random", batch_size=2, num_clips=2, seed=1)


def test_the_number_of_steps() -> None:
    assert num_steps(6, 1, 4, False) == 2
    assert num_steps(6, 1, 4, True) == 1
    assert num_steps(4, 2, 4, False) == num_steps(4, 2, 4, True) == 2
    assert num_steps(6, 2, 4, True) == 2  # not 3: twelve clips, but of two passes
    assert num_steps(6, 2, 4, False) == 4


@pytest.mark.parametrize("num_items", [2, 3, 7, 40])
def test_every_sound_is_used_once_an_epoch_and_never_with_its_own_item(num_items: int) -> None:
    for epoch in range(50):
        sounds = partners(num_items, 1, epoch, "audio")
        assert sorted(sounds) == list(range(num_items))
        assert (sounds != np.arange(num_items)).all()
        np.testing.assert_array_equal(sounds, partners(num_items, 1, epoch, "audio"))


def test_the_sounds_are_drawn_anew_in_each_epoch_and_of_each_seed() -> None:
    drawn = {
        tuple(partners(40, seed, epoch, name))
        for seed in (1, 2)
        for epoch in range(5)
        for name in ("audio", "audio:other", "video:other")
    }
    assert len(drawn) == 30
    given = {partners(40, 1, epoch, "audio")[0] for epoch in range(50)}
    assert len(given) > 20


def test_an_epoch_is_passes_in_random_order_or_the_order_given() -> None:
    given = [7, 3, 9, 5]
    (uniform,) = epoch_passes(given, PAIR, replace(TWO_PASSES, sampling="uniform"), epoch=4)
    assert uniform == [
        Pick(4, position, k, (position, position)) for position in given for k in (0, 1)
    ]
    drawn = epoch_passes(given, PAIR, TWO_PASSES, epoch=4)
    for k, one_pass in enumerate(drawn):
        assert all(pick.epoch == 4 for pick in one_pass)
        assert all(pick.sources == (pick.position, pick.position) for pick in one_pass)
        assert sorted(pick.position for pick in one_pass) == sorted(given)
        assert {pick.clip_index for pick in one_pass} == {k}
    assert len(drawn) == 2
    assert drawn == epoch_passes(given, PAIR, TWO_PASSES, epoch=4)
    others = [epoch_passes(given, PAIR, replace(TWO_PASSES, seed=seed), 4) for seed in range(2, 6)]
    assert any(other != drawn for other in others)


def test_shuffled_pairs_keep_the_order_and_change_the_sounds() -> None:
    given = [7, 3, 9, 5]
    own = epoch_passes(given, PAIR, TWO_PASSES, epoch=4)
    changed = epoch_passes(given, shuffled(PAIR), TWO_PASSES, epoch=4)
    sounds = partners(4, seed=1, epoch=4, name="audio")
    for own_pass, shuffled_pass in zip(own, changed, strict=True):
        for one, other in zip(own_pass, shuffled_pass, strict=True):
            expected = given[sounds[given.index(one.position)]]
            assert other == one._replace(sources=(one.position, expected))


def test_a_sample_of_a_sample_is_taken_from_the_same_item() -> None:
    given = [7, 3, 9, 5]
    samples = (
        VIDEO,
        Sample("video:1"),
        Sample("audio:other", item="other"),
        Sample("audio:late", time="apart", of="audio:other"),
        Sample("audio", time="with", of="video:1"),
    )
    others = partners(4, seed=1, epoch=4, name="audio:other")
    for one_pass in epoch_passes(given, samples, TWO_PASSES, epoch=4):
        for pick in one_pass:
            own = pick.position
            other = given[others[given.index(own)]]
            assert pick.sources == (own, own, other, other, own)


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


def test_orders_and_pairs_are_drawn_as_ever() -> None:
    """Numbers of earlier runs."""
    given = [4, 8, 15, 16, 23, 42]
    stored = [
        (0, 0, [4, 2, 5, 0, 1, 3], [[23, 15, 8, 42, 16, 4], [23, 8, 16, 42, 15, 4]]),
        (7, 3, [4, 0, 3, 5, 2, 1], [[23, 16, 4, 42, 15, 8], [4, 16, 42, 15, 8, 23]]),
    ]
    for seed, epoch, sounds, order in stored:
        assert partners(6, seed, epoch, "audio").tolist() == sounds
        passes = epoch_passes(given, PAIR, replace(TWO_PASSES, seed=seed), epoch)
        assert [[pick.position for pick in one_pass] for one_pass in passes] == order
