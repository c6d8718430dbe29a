"""Batch norm over a batch that the ranks of a run share.

Each rank normalises its items by the mean and the variance of the items of all ranks. So outputs,
gradients and running statistics are those of one rank with the whole batch, up to rounding.

With N values of a channel on all ranks, n_r of them on rank r with mean m_r and biased variance
v_r, the whole batch has

    m = sum_r n_r m_r / N,    v = sum_r n_r (v_r + m_r^2) / N - m^2.

The output y = w (x - m) / sqrt(v + eps) + b depends on an input directly and through m and v. With
z = (x - m) / sqrt(v + eps) and sums over the values of all ranks, its gradient is

    dx = w / sqrt(v + eps) (dy - sum(dy) / N - z sum(dy z) / N).

:class:`torch.nn.SyncBatchNorm` computes the same and demands a GPU.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.modules.batchnorm import _BatchNorm

from iicl.models.channels_last import update_running_statistics
from iicl.training.distributed import Ranks

USUAL = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def synchronise(module: nn.Module, ranks: Ranks) -> None:
    """Let the batch norms inside a module normalise over all ranks; on one rank, nothing changes.

    Afterwards every rank must call the module equally often in training mode, forward and backward,
    with one item or more. Names and values of the state stay. A subclass of torch's batch norm is
    taken for one that computes the same in another way.

    Args:
        module: changed in place; its batch norms share no parameters with others.
        ranks: that share each batch.

    Raises:
        ValueError: if a batch norm is of another class, or has no weights, no running statistics or
            no momentum.
    """
    if ranks.size == 1:
        return
    for name, part in [*module.named_modules()]:
        for child_name, child in [*part.named_children()]:
            if isinstance(child, _BatchNorm):
                path = f"{name}.{child_name}".removeprefix(".")
                setattr(part, child_name, _synchronised(child, path, ranks))


def _synchronised(norm: _BatchNorm, path: str, ranks: Ranks) -> "SynchronisedBatchNorm":
    """A batch norm over all ranks with the parameters and buffers of a plain one."""
    is_usual = norm.affine and norm.track_running_stats and norm.momentum is not None
    if not isinstance(norm, USUAL) or not is_usual:
        legal = ", ".join(kind.__name__ for kind in USUAL)
        raise ValueError(
            f"{path} = {norm} cannot be synchronised over ranks; legal: {legal}"
            " with weights, running statistics and a momentum"
        )
    return SynchronisedBatchNorm(norm, ranks)


class SynchronisedBatchNorm(_BatchNorm):
    """Batch norm over the items of all ranks.

    Args:
        norm: gives its parameters, buffers and settings.
        ranks: that share each batch.
    """

    def __init__(self, norm: _BatchNorm, ranks: Ranks) -> None:
        super().__init__(norm.num_features, norm.eps, norm.momentum, device="meta")
        self._parameters.update(norm._parameters)
        self._buffers.update(norm._buffers)
        self.train(norm.training)
        self._ranks = ranks

    def forward(self, input: Tensor) -> Tensor:
        """Normalise this rank's items.

        Args:
            input: (B, C, ...), B >= 1; the trailing dimensions are the same on all ranks.

        Raises:
            LostRankError: if another rank is gone.
        """
        if not self.training:
            return super().forward(input)
        mean, variance, num_values = self._statistics(input.detach())
        update_running_statistics(self, mean, variance * num_values / (num_values - 1))
        mean, variance = mean.to(self.weight), variance.to(self.weight)
        output: Tensor = _Normalise.apply(
            input, self.weight, self.bias, mean, variance, num_values, self.eps, self._ranks
        )
        return output

    def _statistics(self, input: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean and biased variance of the values of all ranks, and their number, in float64."""
        # torch.var_mean takes five times as long on a CPU.
        mean, variance = torch.batch_norm_update_stats(input.to(self.weight.dtype), None, None, 0.0)
        mean, variance = mean.double(), variance.double()
        # Filled and not copied from the host, so that a GPU need not be waited for.
        number = mean.new_full((1,), input.numel() // self.num_features)
        sums = torch.cat([number * mean, number * (variance + mean**2), number])
        self._ranks.sum(sums)
        num_values = sums[-1]
        mean, square = (sums[:-1] / num_values).chunk(2)
        return mean, (square - mean**2).clamp_(min=0), num_values

    def _check_input_dim(self, input: Tensor) -> None:
        """Any number of dimensions is normalised in the same way."""


class _Normalise(torch.autograd.Function):
    """Normalise by statistics of all ranks, which depend on the input."""

    @staticmethod
    def forward(
        ctx: Any,
        input: Tensor,
        weight: Tensor,
        bias: Tensor,
        mean: Tensor,
        variance: Tensor,
        num_values: Tensor,
        eps: float,
        ranks: Ranks,
    ) -> Tensor:
        ctx.save_for_backward(input, weight, mean, variance, num_values)
        ctx.eps, ctx.ranks = eps, ranks
        return F.batch_norm(input, mean, variance, weight, bias, eps=eps)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, at_output: Tensor) -> tuple[Tensor | None, ...]:
        input, weight, mean, variance, num_values = ctx.saved_tensors
        # At fixed statistics: w dy / sqrt(v + eps), and this rank's sums of dy z and of dy.
        with torch.enable_grad():
            leaves = [
                x.detach().requires_grad_() for x in (input, weight, torch.zeros_like(weight))
            ]
            output = F.batch_norm(leaves[0], mean, variance, leaves[1], leaves[2], eps=ctx.eps)
        at_input, at_weight, at_bias = torch.autograd.grad(output, leaves, at_output)
        sums = torch.stack([at_weight, at_bias]).double()
        ctx.ranks.sum(sums)
        # What goes through the statistics is linear in z, so that it is a batch norm of its own.
        factor = weight / (variance + ctx.eps).sqrt() / num_values
        scale, shift = factor * sums
        through_statistics = F.batch_norm(
            input, mean, variance, scale.to(weight), shift.to(weight), eps=ctx.eps
        )
        return at_input - through_statistics, at_weight, at_bias, None, None, None, None, None
