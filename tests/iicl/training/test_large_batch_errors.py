"""The chunked step names values that are not finite, and arguments that are wrong."""

import pytest
import torch

from iicl.training.large_batch import NonFiniteError, backward, check_finite
from tests.iicl.training.chunked_steps import (
    gradients,
    make,
    views,
)


@pytest.mark.parametrize("size", [3, 8])
def test_a_broken_value_is_named_before_any_gradient_is_added(size: int) -> None:
    method, batch = make(), views()
    batch["audio"][5, 0, 0] = torch.nan
    with pytest.raises(NonFiniteError, match="audio features") as caught:
        backward(method, batch, size)
    assert "audio features" in caught.value.names
    assert "video features" not in caught.value.names
    assert not gradients(method)

    broken_head = make()
    with torch.no_grad():
        broken_head.cluster_head["shared"][2].bias[1] = torch.nan
    with pytest.raises(NonFiniteError) as caught:
        backward(broken_head, views(), size)
    assert caught.value.names == ["cluster_video", "cluster_audio", "negative_entropy", "loss"]


def test_check_finite() -> None:
    check_finite({})
    check_finite({"a": torch.ones(3), "b": torch.tensor(0)})
    with pytest.raises(NonFiniteError, match="not finite: b, c"):
        check_finite(
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
