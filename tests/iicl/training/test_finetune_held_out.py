"""A fine-tuning that is evaluated on a part of the train split."""

from collections import Counter

import pytest
import torch

from iicl.data.held_out import held_out
from iicl.data.store import PreparedCorpus
from iicl.pretraining import Pretrain
from iicl.protocols import Finetune
from iicl.training import finetune, pretrain
from tests.iicl.context import context


@pytest.fixture
def encoder(settings, corpora, tmp_path):
    """A pretraining of no epoch."""
    phase = Pretrain(**{**settings, "method": {"name": "random_init"}}, phase="training", epochs=0)
    out = tmp_path / "encoder"
    out.mkdir()
    pretrain.run(phase, context(out, corpora=corpora, upstream={}))
    return out


def test_it_trains_on_the_rest_and_no_test_item_is_read(
    settings, corpora, encoder, tmp_path, monkeypatch
):
    corpus = PreparedCorpus.open(corpora["ucf101"])
    items = corpus.manifest.items
    train = corpus.select(["video", "label"], split="train", fold=1)
    mask = held_out([items[p].labels for p in train], [items[p].group for p in train], 1)
    held, rest = (
        {p for p, own in zip(train, mask, strict=True) if own == w} for w in (True, False)
    )
    read: Counter[tuple[int, bool]] = Counter()
    read_video = PreparedCorpus.read_video

    def noted(corpus, position, *others):
        read[position, torch.is_inference_mode_enabled()] += 1
        return read_video(corpus, position, *others)

    monkeypatch.setattr(PreparedCorpus, "read_video", noted)
    common = {name: settings[name] for name in ("clip", "precision", "seed")}
    recipe = Finetune(
        corpus="ucf101", epochs=1, clips_per_item=1, batch_size=len(rest), num_clips=1,
        num_crops=1, evaluate_on="held_out", **common,
    )  # fmt: skip
    out = tmp_path / "tuned"
    out.mkdir()
    result = finetune.run(recipe, context(out, corpora=corpora, upstream={"encoder": encoder}))
    assert {position for position, is_test in read if is_test} == held
    assert {position for position, is_test in read if not is_test} == rest
    assert not {items[p].group for p in held} & {items[p].group for p in rest}
    assert result["num_evaluated"] == result["num_expected"] == len(held)
    assert result["item_errors"]["top1"]["num_items"] == len(held)
