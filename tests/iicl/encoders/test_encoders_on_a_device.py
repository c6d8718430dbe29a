"""Every encoder computes on the device of its weights and inputs, whatever device it is."""

from typing import get_args

import pytest
import torch

from iicl import encoders
from iicl.config import Clip, Precision
from iicl.training.precision import encode
from tests.iicl.encoders.test_encoder_contract import small
from tests.iicl.facts import facts
from tests.iicl.fake_device import CUDA, fake_device

CLIP = Clip(num_frames=5, size=18, mel_bins=40, spectrogram_frames=32)  # S3D takes no less


@pytest.mark.parametrize("precision", get_args(Precision))
@pytest.mark.parametrize("name", encoders.names())
def test_it_mixes_no_devices_and_waits_for_none(name: str, precision: Precision) -> None:
    settings = small(name, width=2, depth=1)
    network = encoders.build(settings, facts())
    with fake_device() as waits:
        network.to(CUDA)
        inputs = {"x": torch.ones(2, *settings.input_shape(CLIP), device=CUDA)}
        waits.operations.clear()
        for training in (True, False):
            network.train(training)
            given = encode(
                lambda batch: {"f": network(batch["x"]), "t": network.tokens(batch["x"])},
                inputs,
                precision,
            )
            assert {x.device.type for x in given.values()} == {"cuda"}
            assert {x.dtype for x in given.values()} == {torch.float32}
        assert waits.operations == []
