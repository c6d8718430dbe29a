"""Sums over chunks and ranks that do not depend on their order."""

from collections.abc import Sequence

import torch
from torch import Tensor

from iicl.config import GradientExchange
from iicl.training.distributed import Ranks


class ExactSum:
    """Several sums of tensors, taken in float64.

    A sum of K float32 values in float64 is exact, whatever its order, unless the sizes of the
    values are more than 2^29 / K apart. Beyond that it is so close that rounding it to float32 once
    hides the difference in all but very rare cases.

    Args:
        tensors: one for each sum, of its shape; their values are not read.
        device: of the sums.
    """

    def __init__(self, tensors: Sequence[Tensor], device: torch.device) -> None:
        self._shapes = [tensor.shape for tensor in tensors]
        num_values = sum(shape.numel() for shape in self._shapes)
        self._flat = torch.zeros(num_values, dtype=torch.float64, device=device)
        self._sums = self._parts(self._flat)

    def add(self, number: int, tensor: Tensor, times: int = 1) -> None:
        """Add a whole multiple of a tensor to one of the sums."""
        self._sums[number].add_(tensor, alpha=times)

    def over_ranks(self, ranks: Ranks, exchange: GradientExchange = "float64") -> list[Tensor]:
        """The sums of all ranks together, the same bits on all of them; called once.

        Args:
            ranks: whose sums are added.
            exchange: precision in which they are added, and of the result. In "float32" it depends
                on the number of ranks.
        """
        flat = self._flat.to(getattr(torch, exchange))
        ranks.sum(flat)
        return self._parts(flat)

    def _parts(self, flat: Tensor) -> list[Tensor]:
        sizes = [shape.numel() for shape in self._shapes]
        return [
            part.view(shape) for part, shape in zip(flat.split(sizes), self._shapes, strict=True)
        ]


class GradientSum:
    """The gradient of some parameters, summed over chunks and ranks and rounded once.

    Attributes:
        parameters: in the order of the gradients that are added.
    """

    def __init__(self, parameters: list[torch.nn.Parameter], device: torch.device) -> None:
        self.parameters = parameters
        self._sum = ExactSum(parameters, device)
        self._has_gradient = [False] * len(parameters)

    def add(self, gradients: Sequence[Tensor | None], times: int = 1) -> None:
        """Add a multiple of one gradient for each parameter.

        Args:
            gradients: None for a parameter that has none.
            times: 0 adds nothing, but says which parameters have a gradient.
        """
        for number, gradient in enumerate(gradients):
            if gradient is not None:
                self._has_gradient[number] = True
                self._sum.add(number, gradient, times)

    def write(self, ranks: Ranks, exchange: GradientExchange) -> None:
        """Add the sum over all ranks, in that precision, to the parameters' ``grad``."""
        sums = self._sum.over_ranks(ranks, exchange)
        for parameter, whole, has_gradient in zip(
            self.parameters, sums, self._has_gradient, strict=True
        ):
            if not has_gradient:
                continue
            gradient = torch.empty_like(parameter).copy_(whole)
            parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient
