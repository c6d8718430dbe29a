"""Settings of the paper's method. Imports no torch.

Where the paper is silent or contradicts itself, the comment ``[n]`` beside a field is the number of
the entry in :mod:`iicl.interpretations` that argues the default and names the alternatives.
"""

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from iicl.config import Count, Positive, PretrainLength
from iicl.encoders.choice import Encoders
from iicl.methods.settings import (
    HANDED_ON,
    Encoded,
    Extra,
    MethodSettings,
    PhasePlan,
    check_one_dimension,
    with_defaults,
)
from iicl.samples import AUDIO, VIDEO, Sample


class Settings(MethodSettings):
    """The paper's method, sections III-B to III-E."""

    SYSTEM: ClassVar[str] = "IICL"
    REFERENCE: ClassVar[str] = (
        "Inter-Intra Cross-Modality Self-Supervised Video Representation Learning by Contrastive"
        " Clustering: the paper"
    )
    DEPARTURES: ClassVar[tuple[str, ...]] = (
        "What the paper leaves open is read as `iicl interpretations` says.",
    )
    PHASES: ClassVar[tuple[str, ...]] = ("initialisation", "co_training")

    name: Literal["iicl"] = "iicl"
    objective: Literal["both", "instance", "cluster"] = "both"  # eq. 7, and Table II's ablations
    cluster_start: Literal["cluster", "instance"] = "cluster"  # loss before L_clu alone [20]
    clusters: Annotated[int, Field(ge=2)] = 400
    cluster_weight: Annotated[float, Field(ge=0)] = 0.5  # lambda of eq. 7
    instance_dim: Count = 1024
    instance_temperature: Positive = 0.5
    cluster_temperature: Positive = 0.5  # [6]
    similarity: Literal["l2", "l1"] = "l2"  # [1]
    instance_space: Literal["z", "h"] = "z"  # [2]
    instance_margin: Annotated[float, Field(ge=0)] = 0.0  # [3]
    assignment_norm: Literal["entrywise", "induced"] = "entrywise"  # [4]
    entropy_weight: Annotated[float, Field(ge=0)] = 1.0  # [5]
    detach_keys: bool = False  # [7]
    co_attention: Literal["batch", "token", "none"] = "batch"  # [9]
    co_attention_depth: Count = 1
    co_attention_in_initialisation: bool = False  # [8]
    co_attention_projections: bool = False  # [10]
    co_attention_residual: Literal["none", "query"] = "none"  # [10]
    co_attention_norm: Literal["none", "layer"] = "none"  # [10]
    co_attention_feed_forward: bool = False  # [10]
    heads: Literal["shared", "separate"] = "shared"  # [12]
    head_input: Literal["h", "f"] = "h"  # [13]

    def losses(self, phase: str) -> frozenset[Literal["instance", "cluster"]]:
        """The losses that a phase descends; before L_clu alone, ``cluster_start`` says which."""
        if phase == "initialisation":
            return frozenset([self.cluster_start if self.objective == "cluster" else "instance"])
        return frozenset(["instance", "cluster"] if self.objective == "both" else [self.objective])

    def attends(self, phase: str) -> bool:
        """Whether the losses of a phase see co-attended features [8] [13]."""
        if self.co_attention == "none" or self.head_input == "f":
            return False
        return phase != "initialisation" or self.co_attention_in_initialisation

    def samples(self, phase: str) -> tuple[Sample, ...]:
        """Both modalities."""
        return (VIDEO, AUDIO)

    def extra(self, phase: str, encoded: Sequence[Encoded]) -> Extra:
        """The heads g_ins and g_clu and the co-attention, as far as the phase has them."""
        video, *_ = encoded
        dim = video.encoder.feature_dim
        losses = self.losses(phase)
        outputs = []
        if "instance" in losses and self.instance_space == "z":
            outputs.append(self.instance_dim)
        if "cluster" in losses:
            outputs.append(self.clusters)
        num_heads = 1 if self.heads == "shared" else 2
        heads = num_heads * sum((dim + 1) * dim + (dim + 1) * output for output in outputs)
        attention = 0
        if self.attends(phase):
            if self.co_attention_projections:
                attention += 3 * dim * dim
            if self.co_attention_feed_forward:
                attention += (dim + 1) * 4 * dim + (4 * dim + 1) * dim
        return Extra(parameters=heads + 2 * self.co_attention_depth * attention)

    def num_exchanged(self, phase: str, encoded: Sequence[Encoded]) -> int:
        """Feature vectors; every token of each, where tokens attend to each other."""
        if not (self.attends(phase) and self.co_attention == "token"):
            return super().num_exchanged(phase, encoded)
        return sum(e.encoder.num_tokens(e.clip) * e.encoder.feature_dim for e in encoded)

    def check_encoders(self, phase: str, encoders: Encoders) -> None:
        """Both encoders give features of one dimension."""
        check_one_dimension({view: encoders.of(view) for view in ("video", "audio")})

    def phases(self, length: PretrainLength) -> tuple[PhasePlan, ...]:
        """Initialisation, then co-training (paper III-E).

        The initialisation knows neither C nor lambda, so that rows of different C share it.
        """
        hands_on_head = self.instance_space == "z" and "instance" in (
            self.losses("initialisation") & self.losses("co_training")
        )
        return (
            PhasePlan(
                "initialisation", length.initialisation, self._seen_by("initialisation"), HANDED_ON
            ),
            PhasePlan(
                "co_training",
                length.co_training,
                self._seen_by("co_training"),
                frozenset() if hands_on_head else {"keep_instance_head"},
            ),
        )

    def _seen_by(self, phase: str) -> "Settings":
        """A copy in which each setting that cannot change this phase has its default."""
        losses = self.losses(phase)
        idle = set() if len(losses) == 2 else {"cluster_weight"}
        if "cluster" not in losses:
            idle |= _CLUSTER_FIELDS
        elif self.entropy_weight == 0:
            idle.add("assignment_norm")
        if "instance" not in losses:
            idle |= _INSTANCE_FIELDS
        elif self.instance_space == "h":
            idle.add("instance_dim")
            if "cluster" not in losses:
                idle.add("heads")
        update: dict[str, object] = {
            "objective": "both" if len(losses) == 2 else next(iter(losses))
        }
        if not self.attends(phase):
            idle |= _CO_ATTENTION_FIELDS | {"head_input"}
            update["co_attention"] = "none"
        elif phase == "co_training":
            idle.add("co_attention_in_initialisation")
        if phase == "initialisation" or self.objective != "cluster":
            idle.add("cluster_start")  # alone, L_clu goes on from the start that it names
        return with_defaults(self, idle, **update)


_CLUSTER_FIELDS = {"clusters", "cluster_temperature", "assignment_norm", "entropy_weight"}
_INSTANCE_FIELDS = {
    "instance_dim",
    "instance_temperature",
    "instance_space",
    "instance_margin",
    "detach_keys",
}
_CO_ATTENTION_FIELDS = {n for n in Settings.model_fields if n.startswith("co_attention")}
