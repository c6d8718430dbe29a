"""The paper's method: eq. 7, its phases, and what passes from one to the next."""

import pytest
import torch
from torch import Tensor, nn

from iicl.config import PretrainLength
from iicl.losses import cluster_loss, instance_loss
from iicl.methods.iicl.method import IICL
from iicl.methods.iicl.settings import Settings as IICLSettings
from iicl.pretraining import pretrain_phases


class Tokens(nn.Module):
    """An encoder small enough to check by hand."""

    def __init__(self, feature_dim: int = 6) -> None:
        super().__init__()
        self.feature_dim = feature_dim
        self.map = nn.Linear(5, feature_dim)

    def tokens(self, x: Tensor) -> Tensor:
        return self.map(x)

    def forward(self, x: Tensor) -> Tensor:
        return self.tokens(x).mean(1)


def make(phase: str = "co_training", **settings: object) -> IICL:
    torch.manual_seed(0)
    whole = {"clusters": 4, "instance_dim": 7, **settings}
    return IICL(IICLSettings.model_validate(whole), phase, Tokens(), Tokens()).double()


def views(n: int = 8) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {
        view: torch.randn(n, tokens, 5, dtype=torch.float64, generator=generator)
        for view, tokens in (("video", 3), ("audio", 2))
    }


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
    other = {
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
    given = IICLSettings.model_validate({**other, **row})
    phase = pretrain_phases(PretrainLength(), method=given.model_dump(), corpus="a", seed=0)[index]
    assert isinstance(phase.method, IICLSettings)
    assert phase.method != given
    whole, own = (make(phase.phase, **m.model_dump()) for m in (given, phase.method))
    assert whole.state_dict().keys() == own.state_dict().keys()
    assert all(torch.equal(v, own.state_dict()[n]) for n, v in whole.state_dict().items())
    losses = [m.loss(m.encode(views())) for m in (whole, own)]
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
    (own,) = torch.autograd.grad(parts["instance_video"], weight, retain_graph=True)
    torch.testing.assert_close(all_terms, own)
    assert torch.autograd.grad(parts["instance_audio"], weight, allow_unused=True) == (None,)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"6 \(video\) and 4 \(audio\)"):
        IICL(IICLSettings(), "training", Tokens(6), Tokens(4))


@pytest.mark.parametrize("heads", ["shared", "separate"])
def test_co_training_starts_from_the_initialisation(heads: str) -> None:
    first = make("initialisation", heads=heads)
    with torch.no_grad():
        for parameter in first.parameters():
            parameter.add_(1)
    second = make(heads=heads, co_attention_projections=True)
    fresh = {name: value.clone() for name, value in second.state_dict().items()}
    second.load_previous(first.state_dict(), keep_instance_head=True)
    state = second.state_dict()
    for name, value in first.state_dict().items():
        assert torch.equal(state[name], value)
    for name in state.keys() - first.state_dict().keys():
        assert name.startswith(("cluster_head.", "co_attention."))
        assert torch.equal(state[name], fresh[name])


def test_instance_head_can_start_afresh() -> None:
    first, second = make("initialisation"), make()
    with torch.no_grad():
        for parameter in first.parameters():
            parameter.add_(1)
    fresh = second.instance_head["shared"][0].weight.clone()
    second.load_previous(first.state_dict(), keep_instance_head=False)
    assert torch.equal(second.instance_head["shared"][0].weight, fresh)
    assert torch.equal(second.video_encoder.map.weight, first.video_encoder.map.weight)


def test_l_clu_alone_takes_the_encoders_from_l_ins_and_drops_its_head() -> None:
    first = make("initialisation", objective="instance")
    with torch.no_grad():
        for parameter in first.parameters():
            parameter.add_(1)
    settings = {"objective": "cluster", "cluster_start": "instance"}
    second = make(**settings)
    fresh = second.cluster_head["shared"][0].weight.clone()
    second.load_previous(first.state_dict(), keep_instance_head=True)
    state = second.state_dict()
    for name, value in first.state_dict().items():
        assert name.startswith("instance_head.") or torch.equal(state[name], value)
    assert torch.equal(second.cluster_head["shared"][0].weight, fresh)


def test_l_clu_alone_goes_on_with_its_own_head_and_takes_no_other_start() -> None:
    first = make("initialisation", objective="cluster")
    with torch.no_grad():
        for parameter in first.parameters():
            parameter.add_(1)
    second = make(objective="cluster")
    second.load_previous(first.state_dict(), keep_instance_head=True)
    state = second.state_dict()
    assert all(torch.equal(state[name], value) for name, value in first.state_dict().items())
    other = make("initialisation", objective="instance").state_dict()
    with pytest.raises(ValueError, match=r"missing: cluster_head.*left over: instance_head"):
        second.load_previous(other, keep_instance_head=True)


@pytest.mark.parametrize(
    ("absent", "keep", "message"),
    [
        ("video_encoder.map.weight", True, "missing: video_encoder.map.weight"),
        ("audio_encoder.map.bias", False, "missing: audio_encoder.map.bias"),
        ("instance_head.shared.2.bias", True, "missing: instance_head.shared.2.bias"),
    ],
)
def test_incomplete_initialisation_is_refused(absent: str, keep: bool, message: str) -> None:
    state = make("initialisation").state_dict()
    del state[absent]
    with pytest.raises(ValueError, match=message):
        make().load_previous(state, keep_instance_head=keep)


def test_other_misfits_are_refused_and_change_nothing() -> None:
    second = make(co_attention_projections=True)
    before = {name: value.clone() for name, value in second.state_dict().items()}
    state = {n: v + 1 for n, v in make("initialisation").state_dict().items()}
    shape = {**state, "video_encoder.map.bias": torch.zeros(3)}
    part = {**state, "co_attention.layers.0.video.query.weight": torch.zeros(6, 6)}
    for wrong, message in (
        ({**state, "bank": torch.zeros(1)}, "left over: bank"),
        (shape, "of another shape: video_encoder.map.bias"),
        (part, "missing: co_attention.layers.0.audio.key.weight"),
    ):
        with pytest.raises(ValueError, match=message):
            second.load_previous(wrong, keep_instance_head=True)
    assert all(torch.equal(before[n], v) for n, v in second.state_dict().items())
    without_head = {n: v for n, v in state.items() if not n.startswith("instance_head.")}
    with pytest.raises(ValueError, match="missing: instance_head"):
        second.load_previous(without_head, keep_instance_head=True)
