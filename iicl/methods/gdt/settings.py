"""Settings of GDT. Imports no torch.

Values are those of the official code, facebookresearch/GDT at 873e630.
"""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from iicl.config import Count, Positive
from iicl.methods.settings import Encoded, Extra, MethodSettings
from iicl.samples import AUDIO, VIDEO, Sample

Relation = Literal["variant", "invariant"]

REVERSAL: dict[int, Relation] = {
    2: "variant", 3: "invariant", 6: "variant", 7: "invariant", 8: "variant", 9: "invariant"
}  # fmt: skip
SHIFT: dict[int, Relation] = {
    4: "variant", 5: "invariant", 6: "variant", 7: "variant", 8: "invariant", 9: "invariant"
}  # fmt: skip
"""Hypothesis -> whether embeddings tell a transformed copy from the original, or must not."""


class Settings(MethodSettings):
    """Which transformations tell two copies of an item apart, and which do not.

    ``hypothesis`` is the number of the paper: 1 pairs a video with its sound. 2 and 3 add copies
    that run backwards, 4 and 5 copies from another time of the item, 6 to 9 both; ``REVERSAL`` and
    ``SHIFT`` say how each is used. A shift is one only where two windows of sound of an item can
    differ: take a clip whose ``audio_seconds`` is well below the length of the items.

    ``signal="destroyed"`` is a control: the transformed copies are left as they are. No network can
    then tell the copies apart, and the loss of a variant hypothesis stays at log 2 or above.
    """

    SYSTEM: ClassVar[str] = "GDT"
    REFERENCE: ClassVar[str] = (
        "Patrick et al., Multi-modal self-supervision from generalized data transformations, 2021;"
        " official code facebookresearch/GDT"
    )
    DEPARTURES: ClassVar[tuple[str, ...]] = (
        "The negatives are those of the whole batch, in a reading that does not depend on how items"
        " fall on ranks; the official sets do.",
        "Batch norm in the heads normalises a chunk of the batch, as in the encoders; officially it"
        " is synchronised over all ranks.",
        "Sound is not masked in time or frequency (SpecAugment).",
        "The starts of two copies are drawn evenly, not from a grid of 1/1000 of the slack.",
    )

    name: Literal["gdt"] = "gdt"
    hypothesis: Annotated[int, Field(ge=1, le=9)] = 1
    temperature: Positive = 0.07
    hidden: Count = 512  # between the two layers of a head
    embedding_dim: Count = 256
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.3
    signal: Literal["kept", "destroyed"] = "kept"

    LATER: ClassVar[frozenset[str]] = frozenset({"signal"})

    @model_validator(mode="after")
    def _has_a_signal_of_copies(self) -> "Settings":
        if self.hypothesis == 1 and self.signal == "destroyed":
            raise ValueError(
                "signal 'destroyed' needs a hypothesis of 2 to 9, which transforms copies, got"
                " hypothesis 1; its control is pairing 'shuffled'"
            )
        return self

    def copies(self) -> tuple[str, ...]:
        """Names of the copies of an item; the plain one is the empty name."""
        shifts = ("", "shifted") if self.hypothesis in SHIFT else ("",)
        if self.hypothesis not in REVERSAL:
            return shifts
        return (*shifts, *(f"{name}_reversed".strip("_") for name in shifts))

    def samples(self, phase: str) -> tuple[Sample, ...]:
        """Both modalities, and videos of each further copy; a reversed sound is not read again."""
        samples = [VIDEO, AUDIO]
        if self.hypothesis in SHIFT:
            time: Literal["drawn", "with"] = "drawn" if self.signal == "kept" else "with"
            of = None if self.signal == "kept" else VIDEO.name
            samples.append(Sample("video:shifted", time=time, of=of))
            samples.append(Sample("audio:shifted", time="with", of="video:shifted"))
        for copy in self.copies():
            if copy.endswith("reversed"):
                source = "video:shifted" if copy.startswith("shifted") else "video"
                samples.append(Sample(f"video:{copy}", time="with", of=source))
        return tuple(samples)

    def extra(self, phase: str, encoded: Sequence[Encoded]) -> Extra:
        """Two heads; each sound is encoded forwards and, where copies are reversed, backwards."""
        dims = {e.sample.view: e.encoder.feature_dim for e in encoded}
        hidden = self.hidden
        heads = sum((d + 2) * hidden + (hidden + 1) * self.embedding_dim for d in dims.values())
        sounds = [e.sample.name for e in encoded if e.sample.view == "audio"]
        times = 2 if self.hypothesis in REVERSAL else 1
        statistics = len(dims) * (8 * hidden + 8)  # of batch norm: two floats, a counter
        return Extra(heads, buffer_bytes=statistics, encodings=dict.fromkeys(sounds, times))

    def num_exchanged(self, phase: str, encoded: Sequence[Encoded]) -> int:
        """The embeddings of all copies, in place of the encoders' features."""
        return 2 * len(self.copies()) * self.embedding_dim
