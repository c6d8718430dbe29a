import subprocess
import sys
from typing import get_args

import pytest
from pydantic import ValidationError

from iicl.protocols import (
    AnyProtocol,
    Clustering,
    CrossModal,
    Features,
    Finetune,
    Linear,
    Neighbours,
    Pretext,
    Retrieval,
)

PROTOCOLS = get_args(AnyProtocol)


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda p: p.__name__)
def test_contract(protocol):
    """What is needed can be run: settings of features, or the pretraining's own folder."""
    stage = protocol(corpus="ucf101", seed=0)
    assert len(set(stage.metrics())) == len(stage.metrics()) > 0
    assert set(stage.splits()) <= {"train", "test"}
    assert "test" in stage.splits()
    for role, settings in stage.needs().items():
        assert (settings is None) == (role == "encoder")
        if settings is not None:
            Features(corpus="ucf101", seed=0, **settings)


@pytest.mark.parametrize("protocol", [Retrieval, Clustering, CrossModal, Neighbours])
def test_a_head_needs_the_pretraining_that_has_it(protocol):
    settings = {"corpus": "ucf101", "seed": 0}
    if protocol is Clustering:
        settings["assign"] = "kmeans"
    assert "encoder" in protocol(space="z", **settings).needs()
    assert "encoder" not in protocol(space="f", **settings).needs()


def test_the_largest_entry_of_features_is_no_cluster():
    with pytest.raises(ValidationError, match="argmax needs space y"):
        Clustering(corpus="ucf101", seed=0, space="f")
    with pytest.raises(ValidationError, match="num_clusters 5"):
        Clustering(corpus="ucf101", seed=0, num_clusters=5)


def test_only_the_first_fold_s_test_items_are_new_to_a_pretraining():
    with pytest.raises(ValidationError, match="less than or equal to 1"):
        Pretext(corpus="ucf101", seed=0, fold=2)


def test_settings_of_the_encoders_are_not_asked_for_again():
    for protocol in (Features, Finetune, Linear, Pretext):
        with pytest.raises(ValidationError, match="encoders"):
            protocol(corpus="ucf101", seed=0, encoders={})


@pytest.mark.parametrize("protocol", [Features, Linear])
def test_only_a_view_with_an_encoder_is_evaluated(protocol):
    with pytest.raises(ValidationError, match="'label' has an encoder; legal: audio, video "):
        protocol(corpus="ucf101", seed=0, view="label")
    assert protocol(corpus="ucf101", seed=0, view="audio").model_dump()["view"] == "audio"


def test_settings_import_no_torch():
    code = "import sys, iicl.protocols; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
