"""What passes from the initialisation to the co-training: weights and the optimiser's moments."""

import pytest
import torch

from iicl import methods
from iicl.config import PretrainLength
from iicl.pretraining import pretrain_phases
from iicl.training import pretrain
from iicl.training.weights import load_weights
from tests.iicl.facts import facts
from tests.iicl.training.small_pretraining import LENGTH, moments, run


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
    first_result = run(first, corpora, tmp_path / "first")
    second_result = run(second, corpora, tmp_path / "second", previous=tmp_path / "first")
    parts = {"cluster_video", "cluster_audio", "negative_entropy", "total"}
    assert set(second_result["losses"]) == parts
    assert (set(first_result["losses"]) == parts) == (start == "cluster")
    steps = {name: float(state["step"]) for name, state in moments(tmp_path / "second").items()}
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


def test_the_optimiser_s_moments_are_kept_only_where_asked(settings, corpora, stages, tmp_path):
    phases, folders = stages
    with_moments = phases[1].model_copy(update={"keep_optimiser": True})
    run(with_moments, corpora, tmp_path / "kept", previous=folders[0])
    steps = {
        name: {
            parameter: float(state["step"]) for parameter, state in moments(tmp_path / name).items()
        }
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
    for name, state in after.items():
        assert all(torch.equal(state[key], before[name][key]) for key in before[name])


def test_moments_of_a_phase_without_steps_are_none(settings, corpora, tmp_path):
    length = PretrainLength(initialisation=0, co_training=1)
    first, second = pretrain_phases(length, keep_optimiser=True, **settings)
    run(first, corpora, tmp_path / "first")
    run(second, corpora, tmp_path / "second", previous=tmp_path / "first")
    assert {float(state["step"]) for state in moments(tmp_path / "second").values()} == {3}


def test_kept_moments_follow_the_parameters_to_their_device(stages):
    phases, folders = stages
    method = methods.build(phases[1].method, phases[1].phase, phases[1].encoders, facts()).to(
        "meta"
    )
    optimiser = torch.optim.Adam(method.named_parameters())
    pretrain._continue_optimiser(optimiser, folders[0], list(method.state_dict()))
    for state in optimiser.state.values():
        assert state["exp_avg"].is_meta
        assert state["exp_avg_sq"].is_meta
    assert optimiser.state
