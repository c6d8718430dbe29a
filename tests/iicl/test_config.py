import subprocess
import sys

import pytest
from pydantic import ValidationError

from iicl import config
from iicl.config import PretrainLength
from iicl.methods.iicl.settings import Settings as IICLSettings
from iicl.methods.mfcc.settings import Settings as MFCCSettings
from iicl.methods.random_init.settings import Settings as RandomInitSettings
from iicl.methods.supervised.settings import Settings as SupervisedSettings
from iicl.pretraining import Pretrain, pretrain_phases

LENGTH = PretrainLength(initialisation=3, co_training=4)


def phases(**method):
    return pretrain_phases(LENGTH, method={"name": "iicl", **method}, corpus="a", seed=0)


def test_the_defaults_are_the_paper_s():
    method, optimisation = IICLSettings(), config.Optimisation()
    assert (method.clusters, method.cluster_weight, method.instance_dim) == (400, 0.5, 1024)
    assert (method.instance_temperature, method.cluster_temperature) == (0.5, 0.5)
    assert (optimisation.batch_size, optimisation.learning_rate) == (256, 5e-4)
    assert optimisation.weight_decay == 1e-6
    assert PretrainLength() == PretrainLength(initialisation=300, co_training=300)
    clip = config.Clip()
    assert (clip.num_frames, clip.fps, clip.size, clip.audio_seconds) == (32, 30, 128, 2)
    assert (clip.mel_bins, clip.spectrogram_frames) == (40, 100)


@pytest.mark.parametrize(
    "change",
    [
        {"clusters": 100},
        {"cluster_weight": 0.1},
        {"cluster_temperature": 0.1},
        {"entropy_weight": 0.0},
        {"co_attention": "none"},
        {"co_attention": "token"},
    ],
)
def test_rows_that_differ_in_the_co_training_share_their_initialisation(change):
    (first, second), (first_changed, second_changed) = phases(), phases(**change)
    assert first == first_changed
    assert second != second_changed


@pytest.mark.parametrize(
    "change",
    [
        {"instance_temperature": 0.1},
        {"co_attention_in_initialisation": True},
        {"heads": "separate"},
    ],
)
def test_what_changes_the_initialisation_is_not_shared(change):
    assert phases()[0] != phases(**change)[0]


def test_every_objective_trains_for_the_same_length():
    rows = [{"objective": o} for o in ("both", "instance", "cluster")]
    for row in (*rows, {"objective": "cluster", "cluster_start": "instance"}):
        assert [(p.phase, p.epochs) for p in phases(**row)] == [
            ("initialisation", 3), ("co_training", 4)
        ]  # fmt: skip
    (supervised,) = pretrain_phases(LENGTH, method={"name": "supervised"}, corpus="a", seed=0)
    assert supervised.epochs == 7


def test_l_clu_alone_starts_from_itself_or_from_the_other_rows_initialisation():
    shared = phases(objective="both", clusters=7)[0]
    from_instance = phases(objective="cluster", cluster_start="instance")
    assert from_instance[0] == phases(objective="instance")[0] == shared
    assert from_instance[1].method.objective == "cluster"
    own = phases(objective="cluster")
    assert own[0].method.objective == "cluster"
    assert own[0].method.co_attention == "none"
    assert own[1].method.co_attention == "batch"


METHODS = (IICLSettings, SupervisedSettings, RandomInitSettings, MFCCSettings)

# Two values of every setting of a pretraining; which of them is the other one depends on the row.
VALUES = {
    "corpus": ("a", "b"),
    "seed": (0, 1),
    "clips_per_item": (1, 2),
    "silent_items": ("drop", "zero"),
    "pairing": ("own", "shuffled"),
    "keep_instance_head": (True, False),
    "keep_optimiser": (False, True),
    "clip": ({}, {"size": 64}),
    "augmentation": ({}, {"volume": 0.0}),
    "encoders": ({}, {"video_width": 8, "audio_width": 8}),
    "optimisation": ({}, {"batch_size": 32}),
    "precision": ("bf16", "float32"),
}
METHOD_VALUES = {
    "objective": ("both", "instance"),
    "cluster_start": ("cluster", "instance"),
    "clusters": (400, 7),
    "cluster_weight": (0.5, 0.1),
    "instance_dim": (1024, 8),
    "instance_temperature": (0.5, 0.1),
    "cluster_temperature": (0.5, 0.1),
    "similarity": ("l2", "l1"),
    "instance_space": ("z", "h"),
    "instance_margin": (0.0, 0.1),
    "assignment_norm": ("entrywise", "induced"),
    "entropy_weight": (1.0, 0.5),
    "detach_keys": (False, True),
    "co_attention": ("batch", "token"),
    "co_attention_depth": (1, 2),
    "co_attention_in_initialisation": (False, True),
    "co_attention_projections": (False, True),
    "co_attention_residual": ("none", "query"),
    "co_attention_norm": ("none", "layer"),
    "co_attention_feed_forward": (False, True),
    "heads": ("shared", "separate"),
    "head_input": ("h", "f"),
    "modalities": ("both", "video"),
    "num_coefficients": (20, 13),
}

NAMED = {"corpus", "seed"}
TRAINED = NAMED | {
    "clips_per_item",
    "clip",
    "augmentation",
    "encoders",
    "optimisation",
    "precision",
}
PAIRS = TRAINED | {"silent_items", "pairing"}
SPACE = {"instance_temperature", "instance_space", "instance_margin", "detach_keys"}
INSTANCE = PAIRS | SPACE | {"similarity", "heads", "instance_dim"}
CLUSTER = PAIRS | {
    "similarity",
    "heads",
    "clusters",
    "cluster_temperature",
    "assignment_norm",
    "entropy_weight",
}
ATTENTION = {n for n in METHOD_VALUES if n.startswith("co_attention")} | {"head_input"}
BEGINS = {"co_attention_in_initialisation"}
BOTH = INSTANCE | CLUSTER | {"objective", "cluster_weight", "keep_optimiser", "keep_instance_head"}
BEFORE_CLUSTER = {"objective", "cluster_start"}

# Of each row, the settings that change each of its phases; every other setting is idle in it.
LIVE = {
    "both": ({}, INSTANCE | BEGINS, (BOTH | ATTENTION) - BEGINS),
    "instance": (
        {"objective": "instance"},
        INSTANCE | BEGINS,
        (INSTANCE | ATTENTION | {"objective", "keep_optimiser", "keep_instance_head"}) - BEGINS,
    ),
    "cluster": (
        {"objective": "cluster"},
        CLUSTER | BEGINS | BEFORE_CLUSTER,
        (CLUSTER | ATTENTION | BEFORE_CLUSTER | {"keep_optimiser"}) - BEGINS,
    ),
    "cluster after instance": (
        {"objective": "cluster", "cluster_start": "instance"},
        INSTANCE | BEGINS | {"cluster_start"},
        (CLUSTER | ATTENTION | BEFORE_CLUSTER | {"keep_optimiser"}) - BEGINS,
    ),
    "no co-attention": ({"co_attention": "none"}, INSTANCE, BOTH | {"co_attention"}),
    "heads on f": ({"head_input": "f"}, INSTANCE, BOTH | {"head_input"}),
    "co-attention throughout": (
        {"co_attention_in_initialisation": True},
        INSTANCE | ATTENTION,
        (BOTH | ATTENTION) - BEGINS,
    ),
    "no instance head": (
        {"instance_space": "h"},
        (INSTANCE | BEGINS) - {"instance_dim", "heads"},
        (BOTH | ATTENTION) - BEGINS - {"instance_dim", "keep_instance_head"},
    ),
    "no entropy": (
        {"entropy_weight": 0.0},
        INSTANCE | BEGINS,
        (BOTH | ATTENTION) - BEGINS - {"assignment_norm"},
    ),
    "supervised": ({"name": "supervised"}, PAIRS | {"modalities"}),
    "supervised video": (
        {"name": "supervised", "modalities": "video"},
        TRAINED | {"modalities"},
    ),
    "random_init": ({"name": "random_init"}, NAMED | {"encoders"}),
    "mfcc": ({"name": "mfcc"}, NAMED | {"num_coefficients"}),
}


def test_every_setting_has_two_values():
    handled = {"stage", "method", "phase", "epochs"}
    assert VALUES.keys() == Pretrain.model_fields.keys() - handled
    assert METHOD_VALUES.keys() == {n for m in METHODS for n in m.model_fields} - {"name"}


def fields_of(row):
    name = LIVE[row][0].get("name", "iicl")
    (method,) = (m for m in METHODS if m.model_fields["name"].default == name)
    return sorted(VALUES.keys() | method.model_fields.keys() - {"name"})


@pytest.mark.parametrize(
    ("row", "field"), [(row, field) for row in LIVE for field in fields_of(row)]
)
def test_a_setting_changes_just_the_phases_that_it_can_change(row, field):
    method, *live = LIVE[row]
    whole = {"method": {"name": "iicl", **method}, "corpus": "a", "seed": 0}
    base = pretrain_phases(LENGTH, **whole)
    if field in VALUES:
        changed = {**whole, field: VALUES[field][1]}
    else:
        value = next(v for v in METHOD_VALUES[field][::-1] if v != method.get(field))
        changed = {**whole, "method": {**whole["method"], field: value}}
    phases = pretrain_phases(LENGTH, **changed)
    assert len(phases) == len(base) == len(live)
    found = [one != other for one, other in zip(base, phases, strict=True)]
    assert found == [field in fields for fields in live]


@pytest.mark.parametrize("name", ["random_init", "mfcc"])
def test_what_is_never_trained_has_no_length(name):
    settings = {"method": {"name": name}, "corpus": "a", "seed": 0}
    assert pretrain_phases(LENGTH, **settings) == pretrain_phases(PretrainLength(), **settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": {"name": "simclr"}}, "simclr"),
        ({"method": {"name": "iicl", "clusers": 3}}, "clusers"),
        ({"method": {"name": "iicl", "clusters": 1}}, "clusters"),
        ({"precision": "fp8"}, "fp8"),
    ],
)
def test_unknown_settings_and_values_are_named(settings, message):
    with pytest.raises(ValidationError, match=message):
        pretrain_phases(
            LENGTH, **{"method": {"name": "iicl"}, "corpus": "a", "seed": 0, **settings}
        )


def test_settings_import_no_torch():
    code = "import sys, iicl.protocols, iicl.interpretations; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
