"""The chunked step names values that are not finite, and arguments that are wrong."""

import pytest
import torch

from iicl.training.large_batch import NonFiniteError, backward, finite_means
from tests.iicl.training.chunked_steps import make, views


@pytest.mark.parametrize("size", [3, 8])
def test_a_broken_value_is_in_what_the_step_returns(size: int) -> None:
    batch = views()
    batch["audio"][5, 0, 0] = torch.nan
    features = backward(make(), batch, size).features
    assert features["video"].isfinite().all()
    assert not features["audio"].isfinite().all()

    broken_head = make()
    with torch.no_grad():
        broken_head.cluster_head["shared"][2].bias[1] = torch.nan
    loss = backward(broken_head, views(), size)
    with pytest.raises(NonFiniteError) as caught:
        finite_means({**loss.features, **loss.parts, "total": loss.total})
    assert caught.value.names == ["cluster_video", "cluster_audio", "negative_entropy", "total"]


def test_means_are_those_of_finite_tensors() -> None:
    third = torch.tensor(1 / 3, requires_grad=True)
    means = finite_means({"a": torch.tensor([1.0, 3.0]), "b": torch.tensor([2, 3]), "c": third})
    assert means == {"a": 2.0, "b": 2.5, "c": third.item()}
    with pytest.raises(NonFiniteError, match="not finite: b, c"):
        finite_means(
            {
                "a": torch.ones(3),
                "b": torch.tensor([0.0, torch.nan]),
                "c": torch.tensor(-torch.inf, requires_grad=True),
            }
        )


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="chunk_size must be 1 or more, got 0"):
        backward(make(), views(), 0)
    with pytest.raises(ValueError, match=r"samples \['audio'\] are missing"):
        backward(make(), {"video": views()["video"]}, 4)
    with pytest.raises(ValueError, match="'audio': 7"):
        backward(make(), {**views(), "audio": views(7)["audio"]}, 4)
