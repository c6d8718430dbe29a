"""What every pretext method offers to training and evaluation."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping

from torch import Tensor, nn

Head = Callable[[str, Tensor], Tensor]
"""Maps a view's name and features of its encoder, (N, D), to (N, D')."""


class Method(nn.Module, ABC):
    """Encoders, heads and an objective.

    ``encode`` is the expensive part and treats items independently (batch norm aside); ``loss`` is
    the only place where items meet and sees the whole batch. The large-batch engine relies on this
    division. The encoder of a view is the attribute ``<view>_encoder``, as far as the method has
    one.
    """

    views: tuple[str, ...]
    """Names of the views that ``encode`` reads."""

    @abstractmethod
    def encode(self, views: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Features of a batch or a chunk of one.

        Args:
            views: at least the entries named in ``self.views``, items along the first dimension.

        Returns:
            Named tensors, items along the first dimension.
        """

    @abstractmethod
    def loss(self, features: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """The objective over the whole batch.

        Args:
            features: what ``encode`` returned, of all items.

        Returns:
            The scalar to descend, and its unweighted terms by name.
        """

    def heads(self) -> dict[str, Head]:
        """The heads that evaluation may put on encoder features, by the space they lead to."""
        return {}

    def encoder(self, view: str) -> nn.Module:
        """The encoder of a view.

        Raises:
            ValueError: if there is none.
        """
        encoders = {
            name.removesuffix("_encoder"): module
            for name, module in self.named_children()
            if name.endswith("_encoder")
        }
        if view not in encoders:
            legal = ", ".join(encoders) or "none"
            raise ValueError(f"the pretraining has no {view} encoder; it has: {legal}")
        return encoders[view]

    def load_previous(self, state: Mapping[str, Tensor], *, keep_instance_head: bool) -> list[str]:
        """Start a phase from what the phase before has trained.

        Args:
            state: of the method of the phase before.
            keep_instance_head: take over the head of the instance loss.

        Returns:
            Names of the entries of ``state`` that were taken over.

        Raises:
            RuntimeError: by default always, as a method of one phase starts from none.
        """
        raise RuntimeError(f"{type(self).__name__} has one phase")
