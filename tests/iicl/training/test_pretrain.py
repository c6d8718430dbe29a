import json
import multiprocessing
import random
import signal
from pathlib import Path

import pytest
import torch

from iicl import methods, protocols
from iicl.config import PretrainLength
from iicl.data.store import PreparedCorpus
from iicl.evaluation import features, linear, retrieval
from iicl.methods.iicl.method import IICL
from iicl.pretraining import pretrain_phases
from iicl.training import checkpoint, finetune, loop, pretrain
from iicl.training.weights import load_weights
from tests.iicl.context import context
from tests.iicl.facts import facts

LENGTH = PretrainLength(initialisation=2, co_training=2)
NUM_KILLS = 6


def run(phase, corpora, out, previous=None, **execution):
    out.mkdir(exist_ok=True)
    return pretrain.run(
        phase,
        context(
            out,
            corpora=corpora,
            upstream={} if previous is None else {"previous": previous},
            **execution,
        ),
    )


@pytest.fixture
def stages(settings, corpora, tmp_path):
    """Both phases of a pretraining, finished: their configurations and folders."""
    phases = pretrain_phases(LENGTH, **settings)
    folders = [tmp_path / "first", tmp_path / "second"]
    run(phases[0], corpora, folders[0])
    run(phases[1], corpora, folders[1], previous=folders[0])
    return phases, folders


def same(first: Path, second: Path) -> bool:
    one, other = load_weights(first), load_weights(second)
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def test_killed_at_random_and_resumed_ends_in_the_same_bits(settings, corpora, tmp_path):
    (phase, _) = pretrain_phases(PretrainLength(initialisation=12, co_training=1), **settings)
    run(phase, corpora, tmp_path / "whole")
    (tmp_path / "killed").mkdir()
    receiving, sending = multiprocessing.Pipe(duplex=False)

    def attempt(out: Path) -> None:
        torch.set_num_threads(1)
        pretrain.run(
            phase,
            context(
                out,
                corpora=corpora,
                upstream={},
                report=lambda fraction, text: sending.send(text),
                checkpoint_seconds=0,
            ),
        )

    rng = random.Random(0)
    for _ in range(NUM_KILLS):
        process = multiprocessing.get_context("fork").Process(
            target=attempt, args=(tmp_path / "killed",)
        )
        process.start()
        # It dies in the step after the one it reports, or while that step is saved.
        for _ in range(rng.randint(1, 5)):
            receiving.recv()
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        assert not (tmp_path / "killed" / "weights.safetensors").exists()
        while receiving.poll():
            receiving.recv()
    run(phase, corpora, tmp_path / "killed", checkpoint_seconds=0)
    assert same(tmp_path / "whole", tmp_path / "killed")
    curves = [
        [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").open()]
        for name in ("whole", "killed")
    ]
    assert curves[0] == curves[1]
    assert len(curves[0]) == 36


def test_workers_change_nothing(settings, corpora, tmp_path):
    phase, _ = pretrain_phases(LENGTH, **settings)
    for workers in (0, 2):
        run(phase, corpora, tmp_path / str(workers), num_workers=workers)
    assert same(tmp_path / "0", tmp_path / "2")


def test_the_co_training_starts_from_the_initialisation(settings, corpora, stages, tmp_path):
    phases, folders = stages
    start = phases[1].model_copy(update={"epochs": 0})
    run(start, corpora, tmp_path / "start", previous=folders[0])
    before, after = load_weights(folders[0]), load_weights(tmp_path / "start")
    assert {name.split(".")[0] for name in before} == {
        "video_encoder", "audio_encoder", "instance_head"
    }  # fmt: skip
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert any(name.startswith("cluster_head") for name in after)
    fresh = start.model_copy(update={"keep_instance_head": False})
    run(fresh, corpora, tmp_path / "fresh", previous=folders[0])
    head = next(n for n in before if n.startswith("instance_head") and n.endswith("weight"))
    assert not torch.equal(load_weights(tmp_path / "fresh")[head], before[head])


@pytest.mark.parametrize("start", ["cluster", "instance"])
def test_l_clu_alone_trains_in_two_phases_too(settings, corpora, tmp_path, start):
    settings["method"] |= {"objective": "cluster", "cluster_start": start}
    first, second = pretrain_phases(LENGTH, keep_optimiser=True, **settings)
    begun = run(first, corpora, tmp_path / "first")
    ended = run(second, corpora, tmp_path / "second", previous=tmp_path / "first")
    parts = {"cluster_video", "cluster_audio", "negative_entropy", "total"}
    assert set(ended["losses"]) == parts
    assert (set(begun["losses"]) == parts) == (start == "cluster")
    steps = {name: float(kept["step"]) for name, kept in moments(tmp_path / "second").items()}
    assert {name.split(".")[0]: n for name, n in steps.items()} == {
        "video_encoder": 12, "audio_encoder": 12, "cluster_head": 12 if start == "cluster" else 6
    }  # fmt: skip


def test_a_co_training_needs_its_initialisation_and_no_other_phase_has_one(
    settings, corpora, tmp_path
):
    first, second = pretrain_phases(LENGTH, **settings)
    for phase, previous in ((second, None), (first, tmp_path)):
        with pytest.raises(ValueError, match=f"phase '{phase.phase}' of iicl starts from"):
            run(phase, corpora, tmp_path / "out", previous=previous)


def moments(folder: Path) -> dict[str, dict[str, torch.Tensor]]:
    """The optimiser's state in a run's last checkpoint, by parameter."""
    _, state = checkpoint.load_latest(folder / "checkpoints")
    names = state["optimiser"]["param_groups"][0]["param_names"]
    return {names[index]: kept for index, kept in state["optimiser"]["state"].items()}


def test_the_optimiser_s_moments_are_kept_only_where_asked(settings, corpora, stages, tmp_path):
    phases, folders = stages
    kept = phases[1].model_copy(update={"keep_optimiser": True})
    run(kept, corpora, tmp_path / "kept", previous=folders[0])
    steps = {
        name: {parameter: float(s["step"]) for parameter, s in moments(tmp_path / name).items()}
        for name in ("kept", "second")
    }
    encoder = next(n for n in steps["kept"] if n.startswith("video_encoder"))
    cluster = next(n for n in steps["kept"] if n.startswith("cluster_head"))
    assert (steps["kept"][encoder], steps["kept"][cluster]) == (12, 6)
    assert (steps["second"][encoder], steps["second"][cluster]) == (6, 6)


@pytest.mark.parametrize("keep_head", [True, False])
def test_kept_moments_are_those_of_the_parameters_that_go_on(
    settings, corpora, stages, tmp_path, keep_head
):
    phases, folders = stages
    update = {"keep_optimiser": True, "keep_instance_head": keep_head, "epochs": 0}
    start = phases[1].model_copy(update=update)
    run(start, corpora, tmp_path / "start", previous=folders[0])
    before, after = moments(folders[0]), moments(tmp_path / "start")
    fresh = () if keep_head else ("instance_head.",)
    assert after.keys() == {name for name in before if not name.startswith(fresh)}
    for name, kept in after.items():
        assert all(torch.equal(kept[key], before[name][key]) for key in before[name])


def test_moments_of_a_phase_without_steps_are_none(settings, corpora, tmp_path):
    length = PretrainLength(initialisation=0, co_training=1)
    first, second = pretrain_phases(length, keep_optimiser=True, **settings)
    run(first, corpora, tmp_path / "first")
    run(second, corpora, tmp_path / "second", previous=tmp_path / "first")
    assert {float(kept["step"]) for kept in moments(tmp_path / "second").values()} == {3}


def test_kept_moments_follow_the_parameters_to_their_device(stages):
    phases, folders = stages
    method = methods.build(phases[1].method, phases[1].phase, phases[1].encoders, facts()).to(
        "meta"
    )
    optimiser = torch.optim.Adam(method.named_parameters())
    pretrain._continue_optimiser(optimiser, folders[0], list(method.state_dict()))
    for kept in optimiser.state.values():
        assert kept["exp_avg"].is_meta
        assert kept["exp_avg_sq"].is_meta
    assert optimiser.state


def test_a_loss_that_is_not_finite_stops_the_training(settings, corpora, tmp_path, monkeypatch):
    phase, _ = pretrain_phases(LENGTH, **settings)
    whole = IICL.loss
    calls = []

    def breaking(self, batch_features):
        total, parts = whole(self, batch_features)
        calls.append(1)
        if len(calls) == 4:
            parts = {**parts, "instance_audio": parts["instance_audio"] * float("nan")}
        return total, parts

    monkeypatch.setattr(IICL, "loss", breaking)
    with pytest.raises(loop.NonFiniteStepError, match="step 3: not finite: instance_audio"):
        run(phase, corpora, tmp_path / "broken", checkpoint_seconds=0)
    step, state = checkpoint.load_latest(tmp_path / "broken" / "checkpoints")
    assert step == 3
    assert all(v.isfinite().all() for v in state["method"].values())
    assert not (tmp_path / "broken" / "weights.safetensors").exists()


def test_a_gradient_that_is_not_finite_stops_it_too(settings, corpora, tmp_path, monkeypatch):
    phase, _ = pretrain_phases(LENGTH, **settings)
    whole = loop.large_batch.backward

    def breaking(method, *arguments, **named):
        answer = whole(method, *arguments, **named)
        next(method.video_encoder.parameters()).grad.fill_(float("inf"))
        return answer

    monkeypatch.setattr(loop.large_batch, "backward", breaking)
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
    whole = protocols.Features(corpus="ucf101", num_clips=3, **common)
    result = features.run(whole, context(out["features"], corpora=corpora, upstream=encoder))
    stored = features.load_features(out["features"])
    assert stored.features.shape == (72, 3, 32)
    assert result["num_evaluated"] == 72

    found = {"features": out["features"]}
    near = protocols.Retrieval(corpus="ucf101", ranks=(1, 5), seed=5)
    recalls = retrieval.run(near, context(out["retrieval"], corpora=corpora, upstream=found))
    assert recalls["num_evaluated"] + recalls["num_gallery"] == 72
    assert recalls["metrics"]["recall_at_1"] <= recalls["metrics"]["recall_at_5"] <= 1
    top1 = linear.run(
        protocols.Linear(corpus="ucf101", seed=5),
        context(out["linear"], corpora=corpora, upstream=found),
    )
    assert top1["num_evaluated"] == recalls["num_evaluated"]

    tuned = protocols.Finetune(
        corpus="ucf101", epochs=1, clips_per_item=1, batch_size=8, num_clips=2, **common
    )
    result = finetune.run(tuned, context(out["finetune"], corpora=corpora, upstream=encoder))
    assert result["num_evaluated"] == recalls["num_evaluated"]
    assert result["metrics"]["top1"] * result["num_evaluated"] == pytest.approx(
        round(result["metrics"]["top1"] * result["num_evaluated"])
    )
    again = finetune.run(tuned, context(out["finetune"], corpora=corpora, upstream=encoder))
    assert again["metrics"] == result["metrics"]


def prepared(phase, corpora, folder, monkeypatch):
    """What ``run`` asks the training loop for."""
    asked = []
    monkeypatch.setattr(
        pretrain, "train", lambda *given: asked.append(given[0]) or loop.Trained({}, 1.0, 1, 0)
    )
    run(phase, corpora, folder)
    (training,) = asked
    return training


def test_every_setting_of_the_recipe_reaches_the_training(settings, corpora, tmp_path, monkeypatch):
    settings["optimisation"] |= {
        "learning_rate": 0.02, "weight_decay": 0.3, "schedule": "cosine", "batch_size": 10
    }  # fmt: skip
    settings |= {"precision": "bf16", "clips_per_item": 2}
    phase, _ = pretrain_phases(LENGTH, **settings)
    training = prepared(phase, corpora, tmp_path / "out", monkeypatch)
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
    assert prepared(constant, corpora, tmp_path / "out", monkeypatch).rate(11) == 1


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
    training = prepared(phase, corpora, tmp_path / "out", monkeypatch)
    items = PreparedCorpus.open(corpora["ucf101"]).manifest.items
    seen = [items[p] for batch in training.items.batches(0) for p in batch.positions.tolist()]
    assert {item.splits["1"] for item in seen} == {"train"}
    assert any("audio" not in item.views for item in seen) == has_silent


def test_shuffled_pairs_reach_the_training(settings, corpora, tmp_path, monkeypatch):
    batches = {}
    for pairing in ("own", "shuffled"):
        (phase, _) = pretrain_phases(LENGTH, pairing=pairing, **settings)
        training = prepared(phase, corpora, tmp_path / "out", monkeypatch)
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
            training = prepared(phase, corpora, tmp_path / "out", monkeypatch)
            starts.append(training.method.video_encoder.stem[0].weight.flatten()[0].item())
    assert len(set(starts)) == 4
