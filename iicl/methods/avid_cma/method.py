"""AVID-CMA: items that agree in both modalities are positives of each other within a modality."""

from collections.abc import Mapping

import torch
from torch import Tensor

from iicl.config import CorpusFacts
from iicl.encoders.choice import Encoders
from iicl.methods.avid.banks import draw_rows, nce
from iicl.methods.avid.method import BANKS, VIEWS, Banks
from iicl.methods.avid_cma.settings import Settings
from iicl.methods.base import CorpusPass

ROWS_AT_ONCE = 1024


class AVIDCMA(Banks):
    """The mean of AVID's loss and one of the same form within each modality.

    Within a modality an item's positives are the items that are most similar to it in both, by the
    smaller of the two similarities. They are mined in the banks before the first epoch and then
    before every ``mine_every``-th, and no negative is one of them.

    Args:
        settings: how many positives, and how much they count.
        phase: "instance" (AVID alone) or "agreement".
        sizes: of the encoders.
        facts: of the corpus.

    Raises:
        ValueError: if there are not more items than positives.
    """

    positives: Tensor

    def __init__(self, settings: Settings, phase: str, sizes: Encoders, facts: CorpusFacts) -> None:
        super().__init__(settings, sizes, facts)
        self.cma = settings
        self.agrees = phase == "agreement"
        if not self.agrees:
            self.not_exported = frozenset()  # the next phase goes on with the banks
            return
        if 0 < facts.num_items <= settings.positives:
            raise ValueError(
                f"{settings.positives} positives need more items than that, the corpus"
                f" {facts.corpus} has {facts.num_items}"
            )
        self.not_exported = BANKS | {"positives"}
        rows = torch.zeros(facts.num_items, settings.positives, dtype=torch.int64)
        self.register_buffer("positives", rows)

    def before_epoch(self, epoch: int, corpus_pass: CorpusPass) -> tuple[str, ...]:
        """Fill the banks as AVID does, or mine positives in them."""
        if not self.agrees:
            return super().before_epoch(epoch, corpus_pass)
        if epoch % self.cma.mine_every == 0:
            count = self.positives.shape[1]
            self.positives.copy_(mine(self.video_bank, self.audio_bank, count))
        return ()

    def negatives(self, features: Mapping[str, Tensor]) -> Tensor:
        """Rows of the negatives: no positives; as officially, the own row may be among them."""
        if not self.agrees:
            return super().negatives(features)
        mined = self.positives[features["index"]]
        return draw_rows(features["draws"], self.cma.negatives, len(self.video_bank), mined)

    def loss(self, features: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """(1 - w) / 2 of the terms across modalities, w / 2 of those within each."""
        negatives = self.negatives(features)
        across, mean_score = self.across(features, negatives)
        of_across = torch.stack(list(across.values())).sum() / 2
        if not self.agrees:
            return of_across, across
        within = self._within(features, negatives[:, : self.cma.within_negatives], mean_score)
        of_within = torch.stack(list(within.values())).sum() / 2
        weight = self.cma.within_weight
        return (1 - weight) * of_across + weight * of_within, {**across, **within}

    def load_previous(self, state: Mapping[str, Tensor], *, keep_instance_head: bool) -> list[str]:
        """Go on with all weights, the banks and Z; positives are mined before the first step.

        Raises:
            RuntimeError: if they do not fit.
        """
        self.load_state_dict({**state, "positives": self.positives})
        return list(state)

    def _within(
        self, features: Mapping[str, Tensor], negatives: Tensor, mean_score: Tensor
    ) -> dict[str, Tensor]:
        mined = self.positives[features["index"]]
        return {
            f"within_{view}": nce(
                self.scores(view, view, features, mined),
                self.scores(view, view, features, negatives),
                mean_score,
            )
            for view in VIEWS
        }


def mine(first: Tensor, second: Tensor, count: int) -> Tensor:
    """The items that are most similar to each item in both banks.

    Args:
        first: (N, D) rows of length 1.
        second: (N, D) rows of length 1.
        count: of positives for each item, below N.

    Returns:
        (N, count) int64: the largest min(first_i first_j, second_i second_j) over j != i, the
        largest first.
    """
    parts = []
    for start in range(0, len(first), ROWS_AT_ONCE):
        stop = min(start + ROWS_AT_ONCE, len(first))
        similarity = torch.minimum(first[start:stop] @ first.T, second[start:stop] @ second.T)
        rows = torch.arange(stop - start, device=first.device)
        similarity[rows, rows + start] = -torch.inf
        parts.append(similarity.topk(count, dim=1).indices)
    return torch.cat(parts)


def build(settings: Settings, phase: str, sizes: Encoders, facts: CorpusFacts) -> AVIDCMA:
    """See :func:`iicl.methods.build`; labels are not read."""
    return AVIDCMA(settings, phase, sizes, facts)
