"""What every pretext method offers to training and evaluation."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence

from torch import Tensor, nn

from iicl import views

Head = Callable[[str, Tensor], Tensor]
"""Maps a view's name and features of its encoder, (N, D), to (N, D')."""

CorpusPass = Callable[[Sequence[str]], dict[str, Tensor]]
"""Maps names of features to these features of all N train items, (N, ...) each, in the order of
the view ``index``: one clip from the middle of each item, not augmented, encoded by the method in
evaluation mode and without a graph. What an epoch takes from another item (``pairing: shuffled``),
the pass before it takes from the same one.

The bits are the same on every rank. The call changes neither the running statistics of batch norm
nor the state of the generator. It raises a ValueError for a feature that ``encode`` does not give.
"""


class Method(nn.Module, ABC):
    """Encoders, heads and an objective.

    ``encode`` is the expensive part and treats items independently (batch norm aside); ``loss`` is
    the only place where items meet and sees the whole batch. The large-batch engine relies on this
    division. Both write nothing: they change no parameter and no buffer (batch norm's aside), as
    the engine may encode a chunk twice. Both draw from torch's global generator only, which is
    seeded by the seed of the run and the step.

    A method acts between the steps in two hooks, ``before_epoch`` and ``after_step``. They run
    without recording a graph, at the same point on every rank, on the same values.

    What a method keeps from one step to the next is a buffer, or a parameter that requires no
    gradient. So checkpoints hold it, and a resumed run goes on from it.

    The optimiser changes the parameters that require a gradient, and no others. A frozen copy of an
    encoder (a momentum encoder) is a module whose parameters require none; ``after_step`` moves
    them. In each step its batch norm's running statistics move once, as those of any module do.

    The encoder of a view is the attribute ``<view>_encoder``, as far as the method has one.
    Where the part before ``_encoder`` is no view, as in ``key_encoder``, it is the method's own.
    """

    samples: tuple[str, ...]
    """Names of the samples that ``encode`` reads."""

    not_exported: frozenset[str] = frozenset()
    """What checkpoints hold and the exported weights do not.

    Each entry names a buffer or a parameter, or a module with all that it holds.
    """

    @abstractmethod
    def encode(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Features of a batch or a chunk of one.

        Args:
            batch: at least the entries named in ``self.samples``, items along the first dimension.

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

    def answers(self, features: Mapping[str, Tensor]) -> tuple[Tensor, float] | None:
        """Whether each question that the method asks about items is answered right.

        It may use no buffer that is ``not_exported``: the items may be other than those that the
        method was trained on.

        Args:
            features: what ``encode`` returned, in evaluation mode, of a batch of N items.

        Returns:
            (K N,) bool for K questions about each item: the first about each of the N items, then
            the second about each, and so on; and the share that guessing answers right, 0 to 1.
            None: the method asks no question.
        """
        return None

    def before_epoch(self, epoch: int, corpus_pass: CorpusPass) -> Collection[str]:
        """Change parameters and buffers before an epoch; by default nothing.

        It is called once for each epoch, not again where a run resumes within the epoch. Torch's
        global generator is seeded by the seed of the run and the epoch. Parameters must be changed
        in place, as the optimiser holds them.

        Args:
            epoch: its number, from 0; an epoch is all passes of ``clips_per_item``.
            corpus_pass: encodes the train items; its time and items count in the cost of the run.

        Returns:
            Names of the parameters whose optimiser state starts anew.
        """
        return ()

    def after_step(self, step: int, features: Mapping[str, Tensor]) -> None:
        """Change buffers and frozen parameters after a step of the optimiser; by default nothing.

        It may write in place what requires no gradient. It may read the other parameters, which
        the step has changed.

        Args:
            step: its number in the phase, from 0.
            features: what ``loss`` was given in this step, of the whole batch, detached.
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
            if name.endswith("_encoder") and name.removesuffix("_encoder") in views.names()
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
