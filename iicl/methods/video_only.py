"""What the settings of methods share that see no sound. Imports no torch."""

from typing import ClassVar, Literal

from iicl.config import PretrainLength
from iicl.methods.settings import MethodSettings, PhasePlan


class VideoOnlySettings(MethodSettings):
    """Settings of a method of one phase that reads video alone.

    With ``signal`` "destroyed" nothing is left to learn: a control.
    """

    LATER: ClassVar[frozenset[str]] = frozenset({"signal"})

    signal: Literal["kept", "destroyed"] = "kept"

    def phases(self, length: PretrainLength) -> tuple[PhasePlan, ...]:
        """One phase; silent items and the pairing of views have no effect."""
        (plan,) = super().phases(length)
        return (plan._replace(idle={*plan.idle, "silent_items", "pairing"}),)
