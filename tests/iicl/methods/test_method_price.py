"""The settings of every method give the price of what is built from them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any
from unittest.mock import Mock

import pytest
import torch
from torch import Tensor, nn

from iicl import methods, views
from iicl.config import Clip, PretrainLength
from iicl.constants import NUM_KEPT_CHECKPOINTS
from iicl.encoders.choice import default_names
from iicl.footprint import footprint
from iicl.methods.base import Method
from iicl.methods.settings import Encoded, read_clip
from iicl.pretraining import Pretrain, pretrain_phases
from iicl.training.weights import is_exported
from iicl.work import encoded_samples
from tests.iicl.facts import facts
from tests.iicl.methods.every_method import NAMES, small

SIZES = {"video_width": 2, "video_depth": 2, "audio_width": 2, "audio_depth": 1}
CLIP = {"num_frames": 4, "size": 20, "mel_bins": 40, "spectrogram_frames": 32}
NUM_CLASSES = 5
NUM_ITEMS = 3
COUNTS = {"1/train": facts().num_items, "1/train/with_sound": facts().num_items}
DATA = set(views.names()) - default_names().keys()  # read, not encoded

pytestmark = pytest.mark.usefixtures("examples")

IICL_VARIANTS = [
    {"clusters": 7, "heads": "separate"},
    {"objective": "cluster", "cluster_start": "instance"},
    {"objective": "cluster"},
    {"objective": "instance", "instance_space": "h"},
    {"co_attention": "none"},
    {"head_input": "f", "co_attention_projections": True},
    {"co_attention_projections": True},
    {"co_attention_feed_forward": True, "co_attention_depth": 2},
    {"co_attention_projections": True, "co_attention_in_initialisation": True},
    {"co_attention": "token", "co_attention_feed_forward": True},
]
VARIANTS = [
    *map(small, NAMES),
    *({"name": "iicl", **variant} for variant in IICL_VARIANTS),
    {"name": "supervised", "modalities": "video"},
    {"name": "mfcc", "num_coefficients": 7},
    {"name": "vcop", "clip_frames": 6, "gap": 2, "crop": 1.0, "hidden": 7, "signal": "destroyed"},
    {"name": "st_puzzle", "kinds": "temporal", "temporal_grid": 1, "piece_side": 1.0},
    {"name": "st_puzzle", "kinds": "spatial", "hidden": 7, "channel_replication": False},
    *({**small("xdc"), "variant": variant} for variant in ("sdc", "mdc", "cdc")),
    {**small("xdc"), "epochs_per_round": 3},
    *({**small(name), "start": "random"} for name in ("avid", "avid_cma")),
    *({"name": "gdt", "hypothesis": hypothesis} for hypothesis in (2, 4, 9)),
]


def phases_of(method: Mapping[str, Any]) -> list[Pretrain]:
    return pretrain_phases(
        PretrainLength(), method=method, corpus="x", seed=0, encoders=SIZES, clip=CLIP
    )


def build(phase: Pretrain) -> Method:
    torch.manual_seed(0)
    return methods.build(phase.method, phase.phase, phase.encoders, facts(NUM_CLASSES))


def encoders_of(method: Method) -> tuple[dict[str, nn.Module], list[nn.Module]]:
    """The encoder of each view, and the copies of encoders that are the method's own."""
    named = {name: part for name, part in method.named_children() if name.endswith("_encoder")}
    of_views = {n.removesuffix("_encoder"): part for n, part in named.items()}
    return (
        {view: part for view, part in of_views.items() if view in views.names()},
        [part for view, part in of_views.items() if view not in views.names()],
    )


def outside_encoders(method: Method) -> list[nn.Module]:
    return [part for name, part in method.named_children() if not name.endswith("_encoder")]


@pytest.mark.parametrize("settings", VARIANTS, ids=str)
def test_parameters_are_those_of_the_method(settings: Mapping[str, Any]) -> None:
    for phase in phases_of(settings):
        price = footprint(phase, COUNTS, None)
        trained = sum(p.numel() for p in build(phase).parameters() if p.requires_grad)
        assert price.parameters + NUM_CLASSES * price.parameters_per_class == trained


@pytest.mark.parametrize("settings", VARIANTS, ids=str)
def test_frozen_parameters_are_priced(settings: Mapping[str, Any]) -> None:
    for phase in phases_of(settings):
        extra = phase.method.extra(phase.phase, encoded_samples(phase))
        frozen = [p for p in build(phase).parameters() if not p.requires_grad]
        assert extra.frozen_bytes == sum(p.nbytes for p in frozen)


@pytest.mark.parametrize("settings", VARIANTS, ids=str)
def test_buffers_outside_the_encoders_are_priced(settings: Mapping[str, Any]) -> None:
    for phase in phases_of(settings):
        method, extra = build(phase), phase.method.extra(phase.phase, encoded_samples(phase))
        buffers = [*method.buffers(recurse=False)]
        buffers += [buffer for part in outside_encoders(method) for buffer in part.buffers()]
        num_items = facts().num_items
        priced = extra.buffer_bytes + num_items * extra.buffer_bytes_per_item
        assert priced == sum(buffer.nbytes for buffer in buffers)


@pytest.mark.parametrize("settings", VARIANTS, ids=str)
def test_what_weights_hold_of_each_item_is_priced(settings: Mapping[str, Any]) -> None:
    for phase in phases_of(settings):
        method, extra = build(phase), phase.method.extra(phase.phase, encoded_samples(phase))
        buffers = [
            buffer
            for name, buffer in method.named_buffers()
            if is_exported(method, name)
            and "_encoder." not in name
            and buffer.shape[:1] == (facts().num_items,)
        ]
        exported = facts().num_items * extra.exported_bytes_per_item
        assert exported == sum(buffer.nbytes for buffer in buffers)
        priced = footprint(phase, COUNTS, None)
        assert priced.weight_bytes == 4 * priced.parameters + exported
        checkpoints = NUM_KEPT_CHECKPOINTS if phase.epochs else 1
        left = priced.weight_bytes + checkpoints * priced.checkpoint_bytes
        assert priced.disk_bytes == left


@pytest.mark.parametrize("settings", VARIANTS, ids=str)
def test_each_priced_encoder_is_built(settings: Mapping[str, Any]) -> None:
    for phase in phases_of(settings):
        method, encoded = build(phase), encoded_samples(phase)
        of_views, copies = encoders_of(method)
        assert of_views.keys() == {e.sample.view for e in encoded}
        assert not any(p.requires_grad for part in copies for p in part.parameters())
        for e in encoded:
            network = method.encoder(e.sample.view)
            assert network.feature_dim == e.encoder.feature_dim
            assert e.encoder.num_parameters() == sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize("settings", VARIANTS, ids=str)
def test_each_call_of_the_corpus_pass_is_priced(settings: Mapping[str, Any]) -> None:
    for phase in phases_of(settings):
        method, encoded = build(phase).eval(), encoded_samples(phase)
        features = method.encode(batch_of(encoded, facts().num_items, phase.clip))
        corpus_pass = Mock(return_value=features)
        extra = phase.method.extra(phase.phase, encoded)
        for epoch in range(4):
            with torch.no_grad():
                method.before_epoch(epoch, corpus_pass)
            assert corpus_pass.call_count == extra.passes(epoch + 1)


@pytest.mark.parametrize("settings", VARIANTS, ids=str)
def test_encodings_and_exchanged_features_are_those_of_a_step(settings: Mapping[str, Any]) -> None:
    """Each encoder runs as often and on as much as it is priced for, and gives as many numbers."""
    for phase in phases_of(settings):
        method, encoded = build(phase).eval(), encoded_samples(phase)
        extra = phase.method.extra(phase.phase, encoded)
        priced: Counter[tuple[str, tuple[int, ...]]] = Counter()
        priced_forward: Counter[tuple[int, ...]] = Counter()
        for e in encoded:
            shape = e.encoder.input_shape(e.clip)
            priced[e.sample.view, shape] += extra.encodings.get(e.sample.name, 1)
            priced_forward[shape] += extra.forward_only.get(e.sample.name, 0)
        calls, forward = count_calls(method)
        features = method.encode(batch_of(encoded, NUM_ITEMS, phase.clip))
        assert calls == priced
        assert forward == priced_forward
        numbers = sum(value[0].numel() for name, value in features.items() if name not in DATA)
        assert phase.method.num_exchanged(phase.phase, encoded) == numbers


def batch_of(encoded: Sequence[Encoded], num_items: int, clip: Clip) -> dict[str, Tensor]:
    """Random inputs of the encoders, and what else a method may read."""
    inputs = {
        e.sample.name: torch.randn(num_items, *e.encoder.input_shape(read_clip(e.sample, clip)))
        for e in encoded
    }
    numbers = {view: torch.arange(num_items) for view in DATA}
    for name in ("draws", "draws:1", "draws:2"):
        numbers[name] = torch.rand(num_items, 10)
    return {**numbers, "label": torch.rand(num_items, NUM_CLASSES), **inputs}


def count_calls(
    method: Method,
) -> tuple[Counter[tuple[str, tuple[int, ...]]], Counter[tuple[int, ...]]]:
    """Counts, from now on, how often encoders are asked for features or tokens.

    Returns:
        Encodings of an item with a gradient by the view and the shape of an input, and calls
        without one by the shape. Several samples of an item may go through an encoder in one call.
    """
    calls: Counter[tuple[str, tuple[int, ...]]] = Counter()
    forward: Counter[tuple[int, ...]] = Counter()
    of_views, copies = encoders_of(method)

    def watch(encoder: nn.Module, view: str | None) -> None:
        name = "tokens" if hasattr(encoder, "tokens") else "forward"  # which takes their mean
        gives = getattr(encoder, name)

        def counted(inputs: Tensor) -> Tensor:
            if view is not None and torch.is_grad_enabled():
                calls[view, inputs.shape[1:]] += len(inputs) // NUM_ITEMS
            else:
                forward[inputs.shape[1:]] += 1
            result: Tensor = gives(inputs)
            return result

        setattr(encoder, name, counted)

    for view, encoder in of_views.items():
        watch(encoder, view)
    for encoder in copies:
        watch(encoder, None)
    return calls, forward
