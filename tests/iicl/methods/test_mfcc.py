import numpy as np
import pytest
import scipy.fft
import torch

from iicl import methods
from iicl.encoders.choice import Encoders
from iicl.methods.mfcc.method import Cepstrum
from iicl.methods.mfcc.settings import Settings as MFCCSettings
from iicl.training.precision import encode
from iicl.training.weights import load_weights, save_weights
from tests.iicl.facts import facts


def log_mel(dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return 3 * torch.randn(4, 1, 40, 30, generator=torch.Generator().manual_seed(0)).to(dtype) - 5


def test_features_are_mean_and_deviation_of_scipy_s_cosine_transform() -> None:
    cepstrum = scipy.fft.dct(log_mel().numpy(), type=2, norm="ortho", axis=2)[:, 0, :13]
    expected = np.concatenate([cepstrum.mean(2), cepstrum.std(2)], axis=1)
    found = Cepstrum(13)(log_mel())
    assert found.shape == (4, 26)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4, atol=1e-4)


def test_the_stages_precision_does_not_round_it() -> None:
    method = methods.build(MFCCSettings(), "training", Encoders(), facts())
    views = {"audio": log_mel()}
    bf16, whole = (encode(method.encode, views, p)["audio"] for p in ("bf16", "float32"))
    assert torch.equal(bf16, whole)


def test_it_has_nothing_to_learn_and_travels_as_weights_do(tmp_path) -> None:
    method = methods.build(MFCCSettings(num_coefficients=7), "training", Encoders(), facts())
    assert not list(method.parameters())
    save_weights(method, tmp_path, MFCCSettings(num_coefficients=7))
    again = methods.build(MFCCSettings(num_coefficients=7), "training", Encoders(), facts())
    again.load_state_dict(load_weights(tmp_path))
    assert torch.equal(
        again.encode({"audio": log_mel()})["audio"], method.encode({"audio": log_mel()})["audio"]
    )


def test_more_coefficients_than_bands_are_refused() -> None:
    with pytest.raises(ValueError, match="41 coefficients need as many mel bands, got 40"):
        Cepstrum(41)(log_mel())
