"""What a method is given of all train items before an epoch, on one rank and on two."""

from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest
import torch
from torch import Tensor

from iicl import encoders
from iicl.config import NO_AUGMENTATION, Augmentation
from iicl.data.draws import Contents
from iicl.data.loader import make_loader
from iicl.data.sampling import Batching
from iicl.data.store import PreparedCorpus
from iicl.data.transforms import make_views
from iicl.encoders.choice import Encoders
from iicl.methods.base import Method
from iicl.samples import AUDIO, INDEX, VIDEO
from iicl.training.corpus_pass import CorpusPass
from iicl.training.distributed import connect
from iicl.training.recipe import Training, TrainItems
from tests.iicl.training.ranks import on_ranks

CHUNK_SIZE = 5  # the last of eight chunks has one item
SIZES = Encoders(video_width=2, video_depth=1)


class Noisy(Method):
    """Features that depend on the generator, and on the mode through batch norm."""

    samples = ("video", "index")

    def __init__(self, facts) -> None:
        super().__init__()
        self.video_encoder = encoders.build(SIZES.of("video"), facts)

    def encode(self, batch):
        video = self.video_encoder(batch["video"])
        return {"video": video, "index": batch["index"], "noise": torch.rand(len(video), 2)}

    def loss(self, features):
        raise NotImplementedError


@pytest.fixture
def passed(corpora: dict[str, Path], settings: dict):
    """Makes one pass over a corpus on so many ranks; gives each rank's answer."""
    corpus = PreparedCorpus.open(corpora["ucf101"])
    positions = corpus.select(["video"], split="train", fold=1)[3:39]
    contents = Contents(settings["clip"], (VIDEO, INDEX), Augmentation())

    def answer() -> dict[str, Tensor]:
        with connect("cpu") as ranks:
            torch.manual_seed(0)
            method = Noisy(corpus.facts(positions))
            before = {name: value.clone() for name, value in method.state_dict().items()}
            batching = Batching("random", 20, CHUNK_SIZE, share=ranks.share)
            items = TrainItems(corpus, positions, contents, batching, 0, ranks.device)
            training = Training(method, None, lambda step: 1.0, items, "float32")
            corpus_pass = CorpusPass(training, 0, 7, ranks, stop_if_asked=lambda: None)
            generator = torch.get_rng_state()
            features = corpus_pass(["noise", "index", "video"])
            assert torch.equal(torch.get_rng_state(), generator)
            assert corpus_pass.num_items == 36
            assert method.training
            for name, value in method.state_dict().items():
                assert torch.equal(value, before[name]), name
            return features

    return corpus, positions, contents, lambda size: on_ranks(size, answer)


def test_all_items_come_in_order_with_the_same_bits_on_every_rank(passed) -> None:
    *_, on = passed
    (alone,) = on(1)
    assert list(alone) == ["noise", "index", "video"]
    assert torch.equal(alone["index"], torch.arange(36))
    assert len(alone["noise"].unique(dim=0)) == 36, "each chunk has a seed of its own"
    for rank in on(2):
        assert rank.keys() == alone.keys()
        for name, value in alone.items():
            assert torch.equal(rank[name], value), name


def test_an_item_is_encoded_from_its_middle_clip_by_the_running_statistics(passed) -> None:
    corpus, positions, contents, on = passed
    (alone,) = on(1)
    torch.manual_seed(0)
    method = Noisy(corpus.facts(positions)).eval()
    for number in (0, 17, 35):
        plain = replace(contents, augmentation=NO_AUGMENTATION)
        (raw,) = make_loader(corpus, [positions[number]], plain, Batching("uniform", 1))
        batch = make_views(raw, contents.clip, torch.device("cpu"))
        with torch.no_grad():
            expected = method.encode(batch)["video"][0]
        torch.testing.assert_close(alone["video"][number], expected, rtol=1e-4, atol=1e-5)


def test_a_sound_of_another_item_is_that_of_the_epoch_that_follows(passed, corpora) -> None:
    corpus = PreparedCorpus.open(corpora["audioset"])
    positions = corpus.select(["video", "audio"], split="train", fold=1)[:12]
    clip = passed[2].clip.model_copy(update={"audio_seconds": 4.0})  # all of an item's sound
    contents = Contents(clip, (VIDEO, AUDIO, INDEX), NO_AUGMENTATION, pairing="shuffled")
    batching = Batching("random", 6, 3, epochs=range(3), seed=4)
    items = TrainItems(corpus, positions, contents, batching, 0, torch.device("cpu"))

    def sounds(batches) -> Tensor:
        raws = [batch.raw for batch in batches]
        index = torch.cat([raw["index"]["index"] for raw in raws])
        return torch.cat([raw["audio"]["sound"] for raw in raws])[index.argsort()]

    steps = list(items.batches(0))
    in_epochs = [sounds(steps[2 * epoch : 2 * epoch + 2]) for epoch in range(3)]
    for epoch, expected in enumerate(in_epochs):
        assert torch.equal(sounds(items.chunks_in_order(epoch)), expected)
    own = replace(items, contents=replace(contents, pairing="own"))
    of_item = sounds(own.chunks_in_order(0))
    for first, second in combinations([of_item, *in_epochs], 2):
        assert (first != second).any(1).sum() > 6, "mostly other items"
