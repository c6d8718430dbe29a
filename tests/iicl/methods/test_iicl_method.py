"""The paper's method: eq. 7, and what its settings and phases change."""

import pytest
import torch

from iicl.config import PretrainLength
from iicl.losses import cluster_loss, instance_loss
from iicl.methods.iicl.method import IICL
from iicl.methods.iicl.settings import Settings as IICLSettings
from iicl.pretraining import pretrain_phases
from tests.iicl.methods.small_iicl import Tokens, make, views


def parts_of(method: IICL) -> set[str]:
    return {name.partition(".")[0] for name, _ in method.named_children()}


ENCODERS = {"video_encoder", "audio_encoder"}


def test_loss_is_equation_7_on_co_attended_features() -> None:
    method = make(
        cluster_weight=0.3, instance_temperature=0.2, cluster_temperature=0.7, entropy_weight=0.5
    )
    features = method.encode(views())
    f_v, f_a = features["video"], features["audio"]
    h_v = (f_a @ f_v.T / 6**0.5).softmax(1) @ f_v
    h_a = (f_v @ f_a.T / 6**0.5).softmax(1) @ f_a
    z = [method.instance_head["shared"](h) for h in (h_v, h_a)]
    y = [method.cluster_head["shared"](h) for h in (h_v, h_a)]
    torch.testing.assert_close(y[0].sum(1), torch.ones(8, dtype=torch.float64))
    assert z[0].shape == (8, 7)
    instance = instance_loss(*z, names=("video", "audio"), temperature=0.2)
    clusters = cluster_loss(*y, names=("video", "audio"), temperature=0.7, entropy_weight=0.5)
    total, parts = method.loss(features)
    torch.testing.assert_close(total, sum(instance.values()) + 0.3 * sum(clusters.values()))
    assert parts.keys() == {*instance, *clusters}


def test_initialisation_is_the_instance_loss_on_encoder_features() -> None:
    method = make("initialisation")
    assert parts_of(method) == {*ENCODERS, "instance_head"}
    features = method.encode(views())
    z = [method.instance_head["shared"](features[view]) for view in ("video", "audio")]
    total, parts = method.loss(features)
    torch.testing.assert_close(total, sum(instance_loss(*z, temperature=0.5).values()))
    assert set(parts) == {"instance_video", "instance_audio"}


@pytest.mark.parametrize(
    ("phase", "settings", "expected"),
    [
        ("co_training", {}, {"instance_head", "cluster_head", "co_attention"}),
        ("co_training", {"objective": "instance"}, {"instance_head", "co_attention"}),
        ("co_training", {"objective": "cluster"}, {"cluster_head", "co_attention"}),
        ("initialisation", {"objective": "cluster"}, {"cluster_head"}),
        (
            "initialisation",
            {"objective": "cluster", "co_attention_in_initialisation": True},
            {"cluster_head", "co_attention"},
        ),
        (
            "initialisation",
            {"objective": "cluster", "cluster_start": "instance"},
            {"instance_head"},
        ),
        ("co_training", {"co_attention": "none"}, {"instance_head", "cluster_head"}),
        ("co_training", {"head_input": "f"}, {"instance_head", "cluster_head"}),
        ("co_training", {"instance_space": "h"}, {"cluster_head", "co_attention"}),
        (
            "initialisation",
            {"co_attention_in_initialisation": True},
            {"instance_head", "co_attention"},
        ),
    ],
)
def test_only_what_is_trained_is_built(
    phase: str, settings: dict[str, object], expected: set[str]
) -> None:
    method = make(phase, co_attention_projections=True, **settings)
    assert parts_of(method) == {*ENCODERS, *expected}
    method.loss(method.encode(views()))[0].backward()
    for name, parameter in method.named_parameters():
        assert parameter.grad is not None, name


@pytest.mark.parametrize("phase", ["initialisation", "co_training"])
def test_cluster_objective_is_the_cluster_loss_without_lambda(phase: str) -> None:
    method = make(phase, objective="cluster", cluster_weight=0.3, co_attention="none")
    features = method.encode(views())
    y = [method.cluster_head["shared"](features[view]) for view in ("video", "audio")]
    total, parts = method.loss(features)
    torch.testing.assert_close(total, sum(cluster_loss(*y, temperature=0.5).values()))
    assert set(parts) == {"cluster_video", "cluster_audio", "negative_entropy"}


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("clusters", 5),
        ("cluster_weight", 0.1),
        ("instance_dim", 3),
        ("instance_temperature", 0.1),
        ("cluster_temperature", 0.1),
        ("similarity", "l1"),
        ("instance_space", "h"),
        ("instance_margin", 0.2),
        ("assignment_norm", "induced"),
        ("entropy_weight", 0.0),
        ("objective", "instance"),
        ("co_attention", "token"),
        ("co_attention", "none"),
        ("co_attention_depth", 2),
        ("co_attention_projections", True),
        ("co_attention_residual", "query"),
        ("co_attention_norm", "layer"),
        ("co_attention_feed_forward", True),
        ("heads", "separate"),
        ("head_input", "f"),
    ],
)
def test_every_setting_reaches_the_loss(setting: str, value: object) -> None:
    changed, default = make(**{setting: value}), make()
    for method in (changed, default):  # the same encoders and heads, however many were drawn
        for parameter in method.parameters():
            with torch.no_grad():
                generator = torch.Generator().manual_seed(parameter.numel())
                parameter.copy_(torch.randn(parameter.shape, generator=generator) / 2)
    if setting == "heads":
        with torch.no_grad():
            changed.instance_head["audio"][2].weight.neg_()
    losses = [m.loss(m.encode(views()))[0].item() for m in (changed, default)]
    assert losses[0] != pytest.approx(losses[1], abs=1e-6)


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize(
    "row",
    [
        {},
        {"objective": "instance"},
        {"objective": "instance", "instance_space": "h"},
        {"objective": "cluster", "cluster_start": "cluster"},
        {"objective": "cluster"},
        {"co_attention": "none"},
        {"head_input": "f", "co_attention_projections": True},
        {"entropy_weight": 0.0, "assignment_norm": "induced"},
        {"co_attention_in_initialisation": True},
    ],
)
def test_a_phase_is_built_alike_from_all_settings_and_from_its_own(
    row: dict[str, object], index: int
) -> None:
    """What is reset in a phase because it is idle there does not change its state or its loss."""
    unusual = {
        "clusters": 5,
        "cluster_weight": 0.1,
        "cluster_temperature": 0.3,
        "instance_dim": 3,
        "instance_temperature": 0.1,
        "instance_margin": 0.1,
        "co_attention_norm": "layer",
        "heads": "separate",
        "detach_keys": True,
        "cluster_start": "instance",
    }
    all_settings = IICLSettings.model_validate({**unusual, **row})
    method = all_settings.model_dump()
    phase = pretrain_phases(PretrainLength(), method=method, corpus="a", seed=0)[index]
    assert isinstance(phase.method, IICLSettings)
    assert phase.method != all_settings
    full_method, reset_method = (
        make(phase.phase, **m.model_dump()) for m in (all_settings, phase.method)
    )
    assert full_method.state_dict().keys() == reset_method.state_dict().keys()
    assert all(
        torch.equal(v, reset_method.state_dict()[n]) for n, v in full_method.state_dict().items()
    )
    losses = [m.loss(m.encode(views())) for m in (full_method, reset_method)]
    assert losses[0] == losses[1]


def test_token_co_attention_takes_token_maps() -> None:
    features = make(co_attention="token").encode(views())
    assert features["video"].shape == (8, 3, 6)
    assert features["audio"].shape == (8, 2, 6)


def test_detached_keys_train_each_encoder_by_its_own_direction() -> None:
    """Without co-attention the video encoder's gradient is that of L_v_ins with constant keys."""
    method = make("initialisation", detach_keys=True)
    features = method.encode(views())
    total, parts = method.loss(features)
    weight = method.video_encoder.map.weight
    (all_terms,) = torch.autograd.grad(total, weight, retain_graph=True)
    (video_term,) = torch.autograd.grad(parts["instance_video"], weight, retain_graph=True)
    torch.testing.assert_close(all_terms, video_term)
    assert torch.autograd.grad(parts["instance_audio"], weight, allow_unused=True) == (None,)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"6 \(video\) and 4 \(audio\)"):
        IICL(IICLSettings(), "training", Tokens(6), Tokens(4))
