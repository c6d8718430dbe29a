"""Settings of XDC. Imports no torch.

There is no official training code: ``[M]`` marks a value that other works report of the paper.
"""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from iicl.config import Count
from iicl.methods.settings import Encoded, Extra, MethodSettings
from iicl.samples import AUDIO, INDEX, VIDEO, Sample

View = Literal["video", "audio"]

VIEWS: tuple[View, View] = ("video", "audio")


class Settings(MethodSettings):
    """Each encoder learns to tell clusters of features apart; k-means makes them in every round.

    ``variant`` says of which features: those of the other view (``xdc``), of the own one (``sdc``),
    of both, with two classifiers for each encoder (``mdc``), or of both put together (``cdc``). An
    epoch is all passes of ``clips_per_item``.
    """

    SYSTEM: ClassVar[str] = "XDC"
    REFERENCE: ClassVar[str] = (
        "Alwassel et al., Self-supervised learning by cross-modal audio-video clustering, 2020;"
        " weights but no training code in HumamAlwassel/XDC"
    )
    DEPARTURES: ClassVar[tuple[str, ...]] = (
        "Clusters are made anew after a fixed number of epochs, where the source trains until a"
        " validation loss saturates.",
        "Features are centred and normalised to length 1 before k-means, which the source leaves"
        " open.",
        "The same optimiser serves encoders and classifiers; its state of the classifiers starts"
        " anew with each round of clusters.",
        "Classifiers start with weights of standard deviation 0.01, as those of DeepCluster do; the"
        " source leaves it open.",
    )

    name: Literal["xdc"] = "xdc"
    variant: Literal["xdc", "sdc", "mdc", "cdc"] = "xdc"
    clusters: Annotated[int, Field(ge=2)] = 128  # 64 to 256 on Kinetics-400 and AudioSet [M] [52]
    # The source has a stopping rule in its place (HumamAlwassel/XDC#8).
    epochs_per_round: Count = 1  # [51]

    def sources(self) -> tuple[str, ...]:
        """What is clustered: features of a view, or of both put together."""
        return ("both",) if self.variant == "cdc" else VIEWS

    def targets(self, view: View) -> tuple[str, ...]:
        """The sources whose clusters the encoder of a view learns."""
        other: View = "audio" if view == "video" else "video"
        by_variant = {"xdc": (other,), "sdc": (view,), "mdc": (view, other), "cdc": ("both",)}
        return by_variant[self.variant]

    def samples(self, phase: str) -> tuple[Sample, ...]:
        """Both modalities, and which item they are of."""
        return (VIDEO, AUDIO, INDEX)

    def extra(self, phase: str, encoded: Sequence[Encoded]) -> Extra:
        """Classifiers; of each source the labels, centres, mean and three numbers; a pass."""
        dims: dict[str, int] = {e.sample.view: e.encoder.feature_dim for e in encoded}
        classifiers = sum((dims[v] + 1) * self.clusters * len(self.targets(v)) for v in VIEWS)
        of_source = {**dims, "both": sum(dims.values())}
        numbers = sum((self.clusters + 1) * of_source[source] + 2 for source in self.sources())
        return Extra(
            parameters=classifiers,
            buffer_bytes=4 * numbers + 8,  # the round is int64
            buffer_bytes_per_item=8 * len(self.sources()),
            corpus_passes=1,
            epochs_per_pass=self.epochs_per_round,
        )
