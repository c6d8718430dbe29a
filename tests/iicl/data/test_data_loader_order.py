"""Which items and clips are in which batch: by seed, epoch, worker, resume and rank."""

import pytest
import torch

from iicl.data.draws import Contents
from iicl.data.loader import RawBatch, make_loader
from iicl.data.sampling import Batching, Share
from iicl.data.store import PreparedCorpus
from iicl.samples import AUDIO, VIDEO
from tests.iicl.data.loaded_batches import CLIP, assert_equal, load


@pytest.mark.parametrize("num_workers", [1, 2])
def test_the_number_of_workers_changes_nothing(corpus: PreparedCorpus, num_workers: int) -> None:
    assert_equal(load(corpus), load(corpus, num_workers=num_workers))


@pytest.mark.parametrize("pairing", ["own", "shuffled"])
@pytest.mark.parametrize(("start_step", "num_workers"), [(1, 2), (2, 0), (3, 0), (4, 2), (8, 0)])
def test_a_resume_goes_on_with_the_same_batches(
    corpus: PreparedCorpus, start_step: int, num_workers: int, pairing: str
) -> None:
    options = {"num_clips": 2, "epochs": range(2), "pairing": pairing}
    all_batches = load(corpus, **options)
    assert len(all_batches) == 8
    resumed_batches = load(corpus, start_step=start_step, num_workers=num_workers, **options)
    assert_equal(all_batches[start_step:], resumed_batches)


def test_an_epoch_alone_is_the_epoch_among_others(corpus: PreparedCorpus) -> None:
    assert_equal(load(corpus, epochs=range(2))[2:], load(corpus, epochs=range(1, 2)))


def test_a_sample_depends_on_no_other_item(corpus: PreparedCorpus) -> None:
    together = {int(p): (b, k) for b in load(corpus) for k, p in enumerate(b.positions)}
    alone = load(corpus, positions=[corpus.select(["video", "audio"])[0]], epochs=range(1, 2))[0]
    batch, k = together[int(alone.positions[0])]
    assert torch.equal(batch.raw["video"]["boxes"][k], alone.raw["video"]["boxes"][0])
    assert torch.equal(batch.raw["audio"]["sound"][k], alone.raw["audio"]["sound"][0])


def test_every_pass_of_an_epoch_sees_every_item_once(corpus: PreparedCorpus) -> None:
    positions = corpus.select(["video"])
    items_and_clips = [
        (int(p), int(k))
        for batch in load(corpus, positions=positions, samples=(VIDEO,), num_clips=3, batch_size=5)
        for p, k in zip(batch.positions, batch.clip_index, strict=True)
    ]
    first, second = items_and_clips[:21], items_and_clips[21:]
    for epoch in (first, second):
        for k in range(3):
            assert sorted(p for p, _ in epoch[7 * k : 7 * k + 7]) == positions
            assert {c for _, c in epoch[7 * k : 7 * k + 7]} == {k}
    assert first != second
    orders = {tuple(p for p, _ in items_and_clips[7 * k : 7 * k + 7]) for k in range(6)}
    assert len(orders) > 3


@pytest.mark.parametrize("drop_last", [True, False])
def test_no_batch_holds_an_item_twice(corpus: PreparedCorpus, drop_last: bool) -> None:
    batches = load(corpus, samples=(AUDIO,), num_clips=3, epochs=range(8), drop_last=drop_last)
    for batch in batches:
        assert len(batch.positions.unique()) == len(batch)
    sizes = [4] if drop_last else [4, 2]
    assert [len(batch) for batch in batches] == sizes * 3 * 8


def test_seeds_and_epochs_and_clips_differ(corpus: PreparedCorpus) -> None:
    position = [corpus.select(["video", "audio"])[0]]
    gains = [
        float(gain)
        for seed in (0, 1)
        for batch in load(corpus, positions=position, seed=seed, num_clips=2, batch_size=1)
        for gain in batch.raw["audio"]["gain"]
    ]
    assert len(set(gains)) == len(gains) == 8


def drawn(batch: RawBatch) -> list[tuple[int, int, list[float]]]:
    """Item, clip and drawn jitter of each row."""
    columns = (batch.positions, batch.clip_index, batch.raw["video"]["jitter"])
    return list(zip(*(column.tolist() for column in columns), strict=True))


@pytest.mark.parametrize("start_step", [0, 3, 4, 7])
@pytest.mark.parametrize("num_workers", [0, 2])
def test_shares_of_training_are_whole_chunks_of_the_same_batches(
    corpus: PreparedCorpus, start_step: int, num_workers: int
) -> None:
    positions = corpus.select(["video"])
    options = {"positions": positions, "samples": (VIDEO,), "batch_size": 7, "num_clips": 2}
    all_batches = load(corpus, **options)
    shares = [
        load(
            corpus,
            share=Share(rank, 3),
            chunk_size=2,
            start_step=start_step,
            num_workers=num_workers,
            **options,
        )
        for rank in range(3)
    ]
    assert len(all_batches) == 4
    for batch, *parts in zip(all_batches[start_step:], *shares, strict=True):
        assert [len(part) for part in parts] == [2, 2, 3]  # of chunks of 2, 2, 2 and 1
        assert [row for part in parts for row in drawn(part)] == drawn(batch)


@pytest.mark.parametrize("num_ranks", [1, 2, 3, 5])
def test_shares_of_evaluation_are_whole_batches(corpus: PreparedCorpus, num_ranks: int) -> None:
    options = {"sampling": "uniform", "num_clips": 2, "epochs": range(1)}  # 12 clips: 3 batches
    shares = [load(corpus, share=Share(rank, num_ranks), **options) for rank in range(num_ranks)]
    assert_equal(load(corpus, **options), [batch for share in shares for batch in share])
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize("start_step", [0, 1, 2, 4, 5, 6])
def test_the_length_is_the_number_of_the_share_s_batches_to_come(
    corpus: PreparedCorpus, start_step: int
) -> None:
    for rank in range(2):
        loader = make_loader(
            corpus,
            corpus.select(["audio"]),
            Contents(CLIP, (AUDIO,)),
            Batching("uniform", 2, epochs=range(2), start_step=start_step, share=Share(rank, 2)),
        )
        batches_of_rank = [n for n in range(start_step, 6) if (n % 3 == 0) == (rank == 0)]
        assert len(loader) == len(list(loader)) == len(batches_of_rank)


def test_a_batch_of_fewer_chunks_than_shares_is_refused(corpus: PreparedCorpus) -> None:
    for options, message in (
        (
            {"chunk_size": 4, "drop_last": True},
            "a batch of 4 in chunks of 4 is work for 1 rank, got 2",
        ),
        ({"chunk_size": 2}, "a batch of 2 in chunks of 2 is work for 1 rank, got 2"),  # the last
    ):
        with pytest.raises(ValueError, match=message):
            load(corpus, share=Share(1, 2), **options)
    assert load(corpus, share=Share(1, 2), chunk_size=2, drop_last=True)


def test_drop_last_and_the_number_of_batches(corpus: PreparedCorpus) -> None:
    assert [len(b) for b in load(corpus)] == [4, 2, 4, 2]
    assert [len(b) for b in load(corpus, drop_last=True)] == [4, 4]
    loader = make_loader(
        corpus,
        [0, 1, 2],
        Contents(CLIP, (VIDEO,)),
        Batching("random", 2, epochs=range(5), start_step=3),
    )
    assert len(loader) == 7
    with pytest.raises(ValueError, match="3 items do not fill a batch of 4"):
        load(corpus, positions=[0, 1, 3], drop_last=True)
