"""The paper's method: which weights pass from the initialisation to the co-training."""

import pytest
import torch

from tests.iicl.methods.small_iicl import make


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
    instance_state = make("initialisation", objective="instance").state_dict()
    with pytest.raises(ValueError, match=r"missing: cluster_head.*left over: instance_head"):
        second.load_previous(instance_state, keep_instance_head=True)


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
