"""Every setting of a pretraining reaches the training loop."""

import pytest
import torch

from iicl.data.store import PreparedCorpus
from iicl.pretraining import pretrain_phases
from iicl.training import loop, pretrain
from tests.iicl.training.small_pretraining import LENGTH, run


def training_of(phase, corpora, folder, monkeypatch):
    """What ``run`` asks the training loop for."""
    trainings = []
    monkeypatch.setattr(
        pretrain, "train", lambda *given: trainings.append(given[0]) or loop.Trained({}, 1.0, 1, 0)
    )
    run(phase, corpora, folder)
    (training,) = trainings
    return training


def test_every_setting_of_the_recipe_reaches_the_training(settings, corpora, tmp_path, monkeypatch):
    settings["optimisation"] |= {
        "learning_rate": 0.02, "weight_decay": 0.3, "schedule": "cosine", "batch_size": 10
    }  # fmt: skip
    settings |= {"precision": "bf16", "clips_per_item": 2}
    phase, _ = pretrain_phases(LENGTH, **settings)
    training = training_of(phase, corpora, tmp_path / "out", monkeypatch)
    assert isinstance(training.optimiser, torch.optim.Adam)
    (group,) = training.optimiser.param_groups
    assert (group["lr"], group["weight_decay"]) == (0.02, 0.3)
    assert len(group["params"]) == len(list(training.method.parameters()))
    assert (training.items.chunk_size, training.precision) == (6, "bf16")
    assert training.items.num_steps == 2 * 2 * (36 // 10)
    assert [training.rate(step) for step in (0, 6, 12)] == pytest.approx([1, 0.5, 0])
    manifest = PreparedCorpus.open(corpora["audioset"]).manifest
    encoder = training.method.audio_encoder
    assert encoder.input_mean.item() == pytest.approx(manifest.log_mel_mean)
    assert encoder.input_std.item() == pytest.approx(manifest.log_mel_std)
    (first, *others) = training.items.batches(0)
    assert len(others) == training.items.num_steps - 1
    assert {len(batch) for batch in (first, *others)} == {10}
    assert first.raw["video"]["flips"].any()
    assert not (first.raw["audio"]["gain"] == 1).all()

    constant = phase.model_copy(
        update={"optimisation": phase.optimisation.model_copy(update={"schedule": "constant"})}
    )
    assert training_of(constant, corpora, tmp_path / "out", monkeypatch).rate(11) == 1


@pytest.mark.parametrize(
    ("name", "kind"), [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)]
)
def test_the_optimiser_is_the_one_asked_for(settings, corpora, tmp_path, monkeypatch, name, kind):
    settings["optimisation"] |= {"optimiser": name, "weight_decay": 0.3}
    phase, _ = pretrain_phases(LENGTH, **settings)
    training = training_of(phase, corpora, tmp_path / "out", monkeypatch)
    assert type(training.optimiser) is kind
    assert training.optimiser.param_groups[0]["weight_decay"] == 0.3


@pytest.mark.parametrize(
    ("change", "has_silent"),
    [
        ({}, False),
        ({"silent_items": "zero"}, True),
        ({"method": {"name": "supervised"}}, False),
        ({"method": {"name": "supervised", "modalities": "video"}}, True),
    ],
)
def test_only_train_items_are_trained_on_and_silent_ones_only_if_asked(
    settings, corpora, tmp_path, monkeypatch, change, has_silent
):
    (phase, *_) = pretrain_phases(LENGTH, **{**settings, "corpus": "ucf101", **change})
    training = training_of(phase, corpora, tmp_path / "out", monkeypatch)
    items = PreparedCorpus.open(corpora["ucf101"]).manifest.items
    trained_items = [
        items[p] for batch in training.items.batches(0) for p in batch.positions.tolist()
    ]
    assert {item.splits["1"] for item in trained_items} == {"train"}
    assert any("audio" not in item.views for item in trained_items) == has_silent


def test_shuffled_pairs_reach_the_training(settings, corpora, tmp_path, monkeypatch):
    batches = {}
    for pairing in ("own", "shuffled"):
        (phase, _) = pretrain_phases(LENGTH, pairing=pairing, **settings)
        training = training_of(phase, corpora, tmp_path / "out", monkeypatch)
        batches[pairing] = training.items.samples(next(training.items.batches(0)))
    assert torch.equal(batches["own"]["video"], batches["shuffled"]["video"])
    assert not torch.equal(batches["own"]["audio"], batches["shuffled"]["audio"])


def test_seeds_and_phases_start_from_other_weights(settings, corpora, tmp_path, monkeypatch):
    starts = []
    for seed in (5, 6):
        settings["seed"] = seed
        for method in ("iicl", "supervised"):
            settings["method"] = {"name": method}
            (phase, *_) = pretrain_phases(LENGTH, **settings)
            training = training_of(phase, corpora, tmp_path / "out", monkeypatch)
            starts.append(training.method.video_encoder.stem[0].weight.flatten()[0].item())
    assert len(set(starts)) == 4
