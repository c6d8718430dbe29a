"""A pretraining from its start to its end: what it trains, refuses and is evaluated by."""

import pytest

from iicl import protocols
from iicl.data.store import PreparedCorpus
from iicl.evaluation import features, linear, retrieval
from iicl.methods.iicl.method import IICL
from iicl.pretraining import pretrain_phases
from iicl.training import checkpoint, finetune, loop
from iicl.training.weights import load_weights
from tests.iicl.context import context
from tests.iicl.training.small_pretraining import LENGTH, run, same_weights


def test_workers_change_nothing(settings, corpora, tmp_path):
    phase, _ = pretrain_phases(LENGTH, **settings)
    for workers in (0, 2):
        run(phase, corpora, tmp_path / str(workers), num_workers=workers)
    assert same_weights(tmp_path / "0", tmp_path / "2")


def test_a_loss_that_is_not_finite_stops_the_training(settings, corpora, tmp_path, monkeypatch):
    phase, _ = pretrain_phases(LENGTH, **settings)
    loss = IICL.loss
    calls = []

    def broken_loss(self, batch_features):
        total, parts = loss(self, batch_features)
        calls.append(1)
        if len(calls) == 4:
            parts = {**parts, "instance_audio": parts["instance_audio"] * float("nan")}
        return total, parts

    monkeypatch.setattr(IICL, "loss", broken_loss)
    with pytest.raises(loop.NonFiniteStepError, match="step 3: not finite: instance_audio"):
        run(phase, corpora, tmp_path / "broken", checkpoint_seconds=0)
    step, state = checkpoint.load_latest(tmp_path / "broken" / "checkpoints")
    assert step == 3
    assert all(v.isfinite().all() for v in state["method"].values())
    assert not (tmp_path / "broken" / "weights.safetensors").exists()


def test_a_gradient_that_is_not_finite_stops_it_too(settings, corpora, tmp_path, monkeypatch):
    phase, _ = pretrain_phases(LENGTH, **settings)
    backward = loop.large_batch.backward

    def broken_backward(method, *arguments, **named):
        answer = backward(method, *arguments, **named)
        next(method.video_encoder.parameters()).grad.fill_(float("inf"))
        return answer

    monkeypatch.setattr(loop.large_batch, "backward", broken_backward)
    with pytest.raises(loop.NonFiniteStepError, match="step 0: not finite: gradient"):
        run(phase, corpora, tmp_path / "broken")


def test_too_few_items_for_a_batch_are_refused(settings, corpora, tmp_path):
    settings["optimisation"] = {"batch_size": 64}
    phase, _ = pretrain_phases(LENGTH, **settings)
    with pytest.raises(ValueError, match="fewer than one batch of 64"):
        run(phase, corpora, tmp_path / "small")


def test_a_control_that_never_trains_needs_no_full_batch(settings, corpora, tmp_path):
    settings |= {"method": {"name": "random_init"}, "optimisation": {"batch_size": 64}}
    (phase,) = pretrain_phases(LENGTH, **settings)
    assert run(phase, corpora, tmp_path / "control")["num_steps"] == 0


@pytest.mark.parametrize(
    ("method", "num_steps", "parts"),
    [
        ("supervised", 12, {"video_encoder", "audio_encoder", "classifier"}),
        ("random_init", 0, {"video_encoder", "audio_encoder"}),
        ("mfcc", 0, set()),
    ],
)
def test_the_controls_train_by_the_same_stage(
    settings, corpora, tmp_path, method, num_steps, parts
):
    (phase,) = pretrain_phases(LENGTH, **{**settings, "method": {"name": method}})
    result = run(phase, corpora, tmp_path / method)
    assert result["num_steps"] == num_steps
    weights = load_weights(tmp_path / method)
    assert {name.split(".")[0] for name in weights} == parts
    if "audio_encoder" in parts:
        manifest = PreparedCorpus.open(corpora["audioset"]).manifest
        assert weights["audio_encoder.input_mean"].item() == pytest.approx(manifest.log_mel_mean)
        assert weights["audio_encoder.input_std"].item() == pytest.approx(manifest.log_mel_std)


def test_evaluation_counts_every_item_once(settings, corpora, stages, tmp_path):
    _, folders = stages
    common = {name: settings[name] for name in ("clip", "precision", "seed")}
    out = {name: tmp_path / name for name in ("features", "retrieval", "linear", "finetune")}
    for folder in out.values():
        folder.mkdir()
    encoder = {"encoder": folders[1]}
    extraction = protocols.Features(corpus="ucf101", num_clips=3, **common)
    result = features.run(extraction, context(out["features"], corpora=corpora, upstream=encoder))
    stored = features.load_features(out["features"])
    assert stored.features.shape == (72, 3, 32)
    assert result["num_evaluated"] == 72

    stored_features = {"features": out["features"]}
    neighbours = protocols.Retrieval(corpus="ucf101", ranks=(1, 5), seed=5)
    recalls = retrieval.run(
        neighbours, context(out["retrieval"], corpora=corpora, upstream=stored_features)
    )
    assert recalls["num_evaluated"] + recalls["num_gallery"] == 72
    assert recalls["metrics"]["recall_at_1"] <= recalls["metrics"]["recall_at_5"] <= 1
    accuracies = linear.run(
        protocols.Linear(corpus="ucf101", seed=5),
        context(out["linear"], corpora=corpora, upstream=stored_features),
    )
    assert accuracies["num_evaluated"] == recalls["num_evaluated"]

    finetuning = protocols.Finetune(
        corpus="ucf101", epochs=1, clips_per_item=1, batch_size=8, num_clips=2, **common
    )
    result = finetune.run(finetuning, context(out["finetune"], corpora=corpora, upstream=encoder))
    assert result["num_evaluated"] == recalls["num_evaluated"]
    assert result["metrics"]["top1"] * result["num_evaluated"] == pytest.approx(
        round(result["metrics"]["top1"] * result["num_evaluated"])
    )
    repeated = finetune.run(finetuning, context(out["finetune"], corpora=corpora, upstream=encoder))
    assert repeated["metrics"] == result["metrics"]
