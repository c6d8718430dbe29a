"""Settings of AVID-CMA. Imports no torch.

Values are those of the official code, facebookresearch/AVID-CMA at 4538e40.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Literal

from iicl.config import Count, Fraction, PretrainLength
from iicl.methods.avid.settings import DEPARTURES, BankSettings
from iicl.methods.settings import HANDED_ON, Encoded, Extra, PhasePlan, with_defaults


class Settings(BankSettings):
    """AVID, then with it items that agree in both modalities as further positives."""

    PHASES: ClassVar[tuple[str, ...]] = ("instance", "agreement")
    SYSTEM: ClassVar[str] = "AVID-CMA"
    REFERENCE: ClassVar[str] = (
        "Morgado et al., Audio-visual instance discrimination with cross-modal agreement, 2021;"
        " official code facebookresearch/AVID-CMA"
    )
    DEPARTURES: ClassVar[tuple[str, ...]] = (
        *DEPARTURES,
        "The item itself is left out of its positives by its number; officially the most similar"
        " row is left out without a look, which drops a neighbour where two items are alike.",
    )

    name: Literal["avid_cma"] = "avid_cma"
    positives: Count = 32
    mine_every: Count = 5  # epochs, of 10 clips an item officially [54]
    within_negatives: Count = 64  # the first of the drawn ones
    within_weight: Fraction = 0.5  # of the terms within a modality; the rest is of those across
    instance_part: Fraction = 0.6  # of the epochs; 30 of 30 + 20 on Kinetics-400

    def phases(self, length: PretrainLength) -> tuple[PhasePlan, ...]:
        """The instance terms alone, then with them those of the positives that are mined."""
        epochs = length.initialisation + length.co_training
        instance = round(epochs * self.instance_part)
        alone = with_defaults(
            self, {"positives", "mine_every", "within_negatives", "within_weight", "instance_part"}
        )
        both = with_defaults(self, {"instance_part", "start"})
        return (
            PhasePlan("instance", instance, alone, HANDED_ON),
            PhasePlan("agreement", epochs - instance, both, {"keep_instance_head"}),
        )

    def extra(self, phase: str, encoded: Sequence[Encoded]) -> Extra:
        """As of AVID; the second phase goes on with the banks of the first, and has positives."""
        extra = super().extra(phase, encoded)
        if phase == "instance":
            return replace(extra, exported_bytes_per_item=extra.buffer_bytes_per_item)
        per_item = extra.buffer_bytes_per_item + 8 * self.positives
        return replace(extra, buffer_bytes_per_item=per_item, passes_at_start=0)
