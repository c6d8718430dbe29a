import subprocess
import sys

import pytest
from pydantic import ValidationError

from iicl import config
from iicl.config import PretrainLength, pretrain_phases

LENGTH = PretrainLength(initialisation=3, co_training=4)


def phases(**method):
    return pretrain_phases(LENGTH, method={"name": "iicl", **method}, corpus="a", seed=0)


def test_the_defaults_are_the_paper_s():
    method, optimisation = config.IICL(), config.Optimisation()
    assert (method.clusters, method.cluster_weight, method.instance_dim) == (400, 0.5, 1024)
    assert (method.instance_temperature, method.cluster_temperature) == (0.5, 0.5)
    assert (optimisation.batch_size, optimisation.learning_rate) == (256, 5e-4)
    assert optimisation.weight_decay == 1e-6
    assert config.PretrainLength() == PretrainLength(initialisation=300, co_training=300)
    clip = config.Clip()
    assert (clip.num_frames, clip.fps, clip.size, clip.audio_seconds) == (32, 30, 128, 2)
    assert (clip.mel_bins, clip.spectrogram_frames) == (40, 100)


@pytest.mark.parametrize(
    "change",
    [{"clusters": 100}, {"cluster_weight": 0.1}, {"cluster_temperature": 0.1}]
    + [{"co_attention": "none"}, {"co_attention": "token"}, {"entropy_weight": 0.0}],
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
    both, instance, cluster = (phases(objective=o) for o in ("both", "instance", "cluster"))
    assert [p.epochs for p in both] == [p.epochs for p in instance] == [3, 4]
    assert [p.epochs for p in cluster] == [7]
    assert both[0] == instance[0]


def test_without_the_cluster_loss_its_settings_are_no_difference():
    assert phases(objective="instance", clusters=7) == phases(objective="instance")


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
    code = "import sys, iicl.config, iicl.interpretations; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
