import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn.functional import one_hot

from iicl.config import PretrainLength
from iicl.data.draws import Contents
from iicl.data.loader import make_loader
from iicl.data.manifest import Manifest
from iicl.data.sampling import Batching
from iicl.data.store import PreparedCorpus
from iicl.data.transforms import make_views
from iicl.item_errors import item_errors
from iicl.methods.supervised.method import Supervised
from iicl.pretraining import pretrain_phases
from iicl.protocols import Finetune
from iicl.samples import VIDEO
from iicl.training import finetune, loop, pretrain
from iicl.training.distributed import ALONE
from iicl.training.recipe import TrainItems
from iicl.training.weights import load_method, load_weights
from tests.iicl.context import context, silent


@pytest.fixture
def recipe(settings) -> Finetune:
    common = {name: settings[name] for name in ("clip", "precision", "seed")}
    return Finetune(
        corpus="ucf101", epochs=2, clips_per_item=1, batch_size=8, num_clips=2, **common
    )


@pytest.fixture
def encoder(settings, corpora, tmp_path):
    """A pretraining of one epoch."""
    length = PretrainLength(initialisation=1, co_training=0)
    (phase, _) = pretrain_phases(length, **settings)
    out = tmp_path / "encoder"
    out.mkdir()
    pretrain.run(phase, context(out, corpora=corpora, upstream={}))
    return out


def run(recipe, corpora, encoder, out, report=silent, **execution):
    out.mkdir(exist_ok=True)
    return finetune.run(
        recipe,
        context(out, corpora=corpora, upstream={"encoder": encoder}, report=report, **execution),
    )


def test_training_starts_from_the_encoder_and_an_orthogonal_classifier_on_train_items(
    recipe, corpora, encoder, tmp_path, monkeypatch
):
    items = PreparedCorpus.open(corpora["ucf101"]).manifest.items
    started = []

    def note(training, *_):
        state = training.method.state_dict()
        started.append({name: value.clone() for name, value in state.items()})
        rates = [group["lr"] for group in training.optimiser.param_groups]
        assert rates == [recipe.head_learning_rate, recipe.encoder_learning_rate]
        seen = [p for batch in training.items.batches(0) for p in batch.positions.tolist()]
        assert len(seen) == training.items.num_steps * recipe.batch_size
        assert {items[p].splits["1"] for p in seen} == {"train"}
        return loop.Trained({}, 1.0, 1, 0)

    monkeypatch.setattr(finetune, "train", note)
    run(recipe, corpora, encoder, tmp_path / "tuned")
    (state,) = started
    for name, value in load_weights(encoder).items():
        if name.startswith("video_encoder."):
            assert torch.equal(state[name], value)
    weight = state["classifier.weight"]
    torch.testing.assert_close(weight @ weight.T, torch.eye(len(weight)))
    assert (state["classifier.bias"] == 0).all()


@pytest.mark.parametrize("optimiser", ["sgd", "adam"])
def test_every_setting_of_the_recipe_reaches_the_training(
    recipe, corpora, encoder, tmp_path, monkeypatch, optimiser
):
    asked = []
    monkeypatch.setattr(
        finetune, "train", lambda *given: asked.append(given[0]) or loop.Trained({}, 1.0, 1, 0)
    )
    update = {
        "optimiser": optimiser,
        "weight_decay": 0.3,
        "epochs": 4,
        "milestones": (3,),
        "decay": 0.1,
        "precision": "bf16",
        "clips_per_item": 2,
        "batch_size": 10,
    }
    run(recipe.model_copy(update=update), corpora, encoder, tmp_path / "tuned")
    (training,) = asked
    groups = training.optimiser.param_groups
    assert [group["weight_decay"] for group in groups] == [0.3, 0.3]
    assert optimiser == "adam" or [group["momentum"] for group in groups] == [0.9, 0.9]
    assert sum(len(g["params"]) for g in groups) == len(list(training.method.parameters()))
    epoch = 2 * (48 // 10)
    assert training.items.num_steps == 4 * epoch
    rates = [training.rate(round(epochs * epoch)) for epochs in (0, 1, 2, 3)]
    assert rates == pytest.approx([1 / 8, (1 / 8 + 1) / 2, 1, 0.1])
    assert (training.items.chunk_size, training.precision) == (None, "bf16")
    first, *others = training.items.batches(0)
    assert [len(batch) for batch in (first, *others)] == [10] * training.items.num_steps
    assert first.raw["video"]["flips"].any()
    assert (first.raw["video"]["jitter"] != 1).any()


def test_interrupted_and_resumed_ends_in_the_same_bits(recipe, corpora, encoder, tmp_path):
    class Interruption(Exception):
        pass

    def stop_at(step):
        def report(fraction, text):
            if text.startswith(f"step {step}/"):
                raise Interruption

        return report

    run(recipe, corpora, encoder, tmp_path / "whole")
    for step in (3, 8):
        with pytest.raises(Interruption):
            run(recipe, corpora, encoder, tmp_path / "cut", stop_at(step), checkpoint_seconds=0)
    run(recipe, corpora, encoder, tmp_path / "cut")
    whole, cut = load_weights(tmp_path / "whole"), load_weights(tmp_path / "cut")
    assert whole.keys() == cut.keys()
    assert all(torch.equal(cut[name], value) for name, value in whole.items())


def test_scores_are_mean_logits_over_clips_and_crops_with_running_statistics(
    settings, recipe, corpora, encoder
):
    recipe = recipe.model_copy(update={"num_clips": 3, "num_crops": 3, "batch_size": 4})
    corpus = PreparedCorpus.open(corpora["ucf101"])
    items = corpus.select(["video"], split="test", fold=1)[:6]
    torch.manual_seed(0)
    method = Supervised(finetune.SETTINGS, settings["encoders"], corpus.facts(items)).train()
    method.video_encoder = load_method(encoder).video_encoder
    contents = Contents(recipe.clip, (VIDEO,))
    place = TrainItems(corpus, [], contents, Batching("random", 4), 0, torch.device("cpu"))
    scores = finetune._test_scores(recipe, method, place, items, silent, ALONE)
    method.eval()
    for item, score in zip(items, scores, strict=True):
        (batch,) = make_loader(
            corpus,
            [item],
            Contents(recipe.clip, (VIDEO,)),
            Batching("uniform", batch_size=3, num_clips=3, num_crops=3),
        )
        clips = make_views(batch, recipe.clip, torch.device("cpu"))["video"]
        assert len(clips) == 9
        with torch.no_grad():
            logits = method.classifier(method.video_encoder(clips))
        torch.testing.assert_close(score, logits.mean(0))


@pytest.mark.parametrize(("shift", "expected"), [(0, 1.0), (1, 0.0)])
def test_an_item_is_right_if_its_own_class_scores_highest(
    recipe, corpora, encoder, tmp_path, monkeypatch, shift, expected
):
    def know(config, method, train_items, items, report, ranks):
        corpus = train_items.corpus
        classes = corpus.manifest.classes
        labels = [classes.index(corpus.manifest.items[i].labels[0]) for i in items]
        assert {corpus.manifest.items[i].splits["1"] for i in items} == {"test"}
        return one_hot((torch.tensor(labels) + shift) % len(classes), len(classes)).float()

    monkeypatch.setattr(finetune, "train", lambda *_: loop.Trained({}, 1.0, 1, 0))
    monkeypatch.setattr(finetune, "_test_scores", know)
    result = run(recipe, corpora, encoder, tmp_path / "tuned")
    assert result["metrics"] == {"top1": expected}


def test_hits_are_grouped_by_the_recordings_of_the_test_items(
    recipe, corpora, encoder, tmp_path, monkeypatch
):
    """Every second recording is right; the corpus has five."""
    shutil.copytree(corpora["ucf101"], tmp_path / "corpus")
    manifest = Manifest.read(tmp_path / "corpus")
    items = [replace(item, group=f"g{n % 5}") for n, item in enumerate(manifest.items)]
    replace(manifest, items=items).write(tmp_path / "corpus")
    hits, groups = [], []

    def know(config, method, train_items, items, report, ranks):
        manifest = train_items.corpus.manifest
        groups.extend(manifest.items[i].group for i in items)
        right = {group for group in groups if sorted(set(groups)).index(group) % 2}
        hits.extend(group in right for group in groups)
        labels = [manifest.classes.index(manifest.items[i].labels[0]) for i in items]
        wrong = (torch.tensor(labels) + ~torch.tensor(hits)) % len(manifest.classes)
        return one_hot(wrong, len(manifest.classes)).float()

    monkeypatch.setattr(finetune, "train", lambda *_: loop.Trained({}, 1.0, 1, 0))
    monkeypatch.setattr(finetune, "_test_scores", know)
    result = run(recipe, {"ucf101": tmp_path / "corpus"}, encoder, tmp_path / "tuned")
    assert result["metrics"] == {"top1": np.mean(hits)}
    assert result["item_errors"] == item_errors({"top1": np.array(hits)}, groups)
    assert result["item_errors"]["top1"]["num_groups"] == 5


def test_what_cannot_be_tuned_on_is_refused(recipe, corpora, encoder, tmp_path):
    large = recipe.model_copy(update={"batch_size": 500})
    with pytest.raises(ValueError, match="one batch of 500"):
        run(large, corpora, encoder, tmp_path / "large")
    other_fold = recipe.model_copy(update={"fold": 7})
    with pytest.raises(ValueError, match="'7'"):
        run(other_fold, corpora, encoder, tmp_path / "other")
