"""Inter-intra contrastive learning (paper III): the objective and its two phases."""

from collections.abc import Mapping
from typing import Protocol, cast

from torch import Tensor, nn

from iicl import encoders
from iicl.config import CorpusFacts
from iicl.encoders.choice import Encoders
from iicl.losses import cluster_loss, instance_loss
from iicl.methods.base import Head, Method
from iicl.methods.iicl.settings import Settings
from iicl.methods.matching import match
from iicl.models.coattention import CoAttention
from iicl.models.heads import Heads, cluster_head, instance_head


class Encoder(Protocol):
    """What the method asks of an encoder, besides being a module."""

    feature_dim: int

    def tokens(self, x: Tensor, /) -> Tensor:
        """(B, L, D)."""

    def __call__(self, x: Tensor, /) -> Tensor:
        """(B, D), the mean over tokens."""


class IICL(Method):
    """L = L_ins + lambda L_clu (eq. 7) on co-attended features.

    Only what the phase trains is built, always under the same state names: ``video_encoder``,
    ``audio_encoder``, ``instance_head``, ``cluster_head``, ``co_attention``. The initialisation
    descends one loss, L_ins or before L_clu alone what ``cluster_start`` says, and has no
    co-attention (h = f) unless asked for. ``head_input="f"`` puts the heads on encoder features,
    which leaves nothing that could train a co-attention.

    Args:
        settings: the method's configuration.
        phase: "initialisation"; any other phase descends the settings' objective.
        video_encoder: E_v, a module with ``tokens`` and ``feature_dim``.
        audio_encoder: E_a, of the same ``feature_dim``.

    Raises:
        ValueError: if the encoders' dimensions differ.
    """

    samples = ("video", "audio")

    def __init__(
        self,
        settings: Settings,
        phase: str,
        video_encoder: Encoder,
        audio_encoder: Encoder,
    ) -> None:
        super().__init__()
        dim = video_encoder.feature_dim
        if audio_encoder.feature_dim != dim:
            raise ValueError(
                f"both encoders must give features of one dimension, "
                f"got {dim} (video) and {audio_encoder.feature_dim} (audio)"
            )
        self.settings = settings
        self.video_encoder, self.audio_encoder = video_encoder, audio_encoder
        losses = settings.losses(phase)
        self.instance = "instance" in losses
        self.instance_head = self.cluster_head = self.co_attention = None
        if self.instance and settings.instance_space == "z":
            self.instance_head = Heads(
                lambda: instance_head(dim, settings.instance_dim), settings.heads, self.samples
            )
        if "cluster" in losses:
            self.cluster_head = Heads(
                lambda: cluster_head(dim, settings.clusters), settings.heads, self.samples
            )
        if settings.attends(phase):
            assert settings.co_attention != "none"
            self.co_attention = CoAttention(
                dim,
                self.samples,
                form=settings.co_attention,
                depth=settings.co_attention_depth,
                projections=settings.co_attention_projections,
                residual=settings.co_attention_residual,
                norm=settings.co_attention_norm,
                feed_forward=settings.co_attention_feed_forward,
            )

    def encode(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """f_v and f_a as ``video`` and ``audio``, (B, D); for token co-attention (B, L, D)."""
        encoders = {"video": self.video_encoder, "audio": self.audio_encoder}
        if self.co_attention is not None and self.co_attention.form == "token":
            return {view: encoder.tokens(batch[view]) for view, encoder in encoders.items()}
        return {view: encoder(batch[view]) for view, encoder in encoders.items()}

    def loss(self, features: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        """Eq. 7; if the objective has one loss only, that loss, without lambda."""
        settings = self.settings
        video, audio = features["video"], features["audio"]
        if self.co_attention is not None:
            video, audio = self.co_attention(video, audio)
        instance_terms: dict[str, Tensor] = {}
        cluster_terms: dict[str, Tensor] = {}
        if self.instance:
            instance_terms = instance_loss(
                _project(self.instance_head, "video", video),
                _project(self.instance_head, "audio", audio),
                names=self.samples,
                temperature=settings.instance_temperature,
                similarity=settings.similarity,
                margin=settings.instance_margin,
                detach_keys=settings.detach_keys,
            )
        if self.cluster_head is not None:
            cluster_terms = cluster_loss(
                self.cluster_head("video", video),
                self.cluster_head("audio", audio),
                names=self.samples,
                temperature=settings.cluster_temperature,
                similarity=settings.similarity,
                assignment_norm=settings.assignment_norm,
                entropy_weight=settings.entropy_weight,
            )
        weight = settings.cluster_weight if self.instance else 1.0
        total = sum(instance_terms.values()) + weight * sum(cluster_terms.values())
        assert isinstance(total, Tensor)
        return total, {**instance_terms, **cluster_terms}

    def answers(self, features: Mapping[str, Tensor]) -> tuple[Tensor, float]:
        """Which sound of the batch belongs to a video, and which video to a sound.

        By z = g_ins(f), or by f where there is no such head. Without the co-attention, in which a
        video would see its own sound.
        """
        video, audio = (
            _project(self.instance_head, view, f.mean(1) if f.ndim == 3 else f)
            for view, f in ((view, features[view]) for view in self.samples)
        )
        return match(video, audio)

    def heads(self) -> dict[str, Head]:
        """``z`` by g_ins and ``y`` by g_clu, as far as the phase has them."""
        heads = {"z": self.instance_head, "y": self.cluster_head}
        return {space: head for space, head in heads.items() if head is not None}

    def load_previous(self, state: Mapping[str, Tensor], *, keep_instance_head: bool) -> list[str]:
        """Start the co-training from what the initialisation trained.

        The encoders must be there whole, and so must the head of a loss that both phases descend,
        except a g_ins that is not kept. What only the co-training has (a cluster head after L_ins,
        the co-attention) keeps its fresh weights, wholly. One part of ``state`` is dropped: g_ins,
        where L_ins is the start of L_clu alone. Everything else in ``state`` must have its place.

        Raises:
            ValueError: naming the entries that are missing, left over or of another shape; the
                method is then unchanged.
        """
        before, now = (self.settings.losses(p) for p in ("initialisation", "co_training"))
        drops_head = not keep_instance_head or "instance" in before - now
        taken = {
            name: value
            for name, value in state.items()
            if not (drops_head and _part(name) == "instance_head")
        }
        own = self.state_dict()
        optional = {"co_attention"} if "cluster" in before else {"co_attention", "cluster_head"}
        optional -= {_part(name) for name in taken}
        if drops_head:
            optional.add("instance_head")
        faults = {
            "missing": [n for n in own if n not in taken and _part(n) not in optional],
            "left over": [n for n in taken if n not in own],
            "of another shape": [n for n in taken if n in own and taken[n].shape != own[n].shape],
        }
        lines = [f"{fault}: {', '.join(sorted(names))}" for fault, names in faults.items() if names]
        if lines:
            raise ValueError(f"the initialisation does not fit the co-training; {'; '.join(lines)}")
        self.load_state_dict(taken, strict=False)
        return list(taken)


def _project(head: nn.Module | None, view: str, hidden: Tensor) -> Tensor:
    """The space of the instance loss: z = g_ins(h), or h itself."""
    return hidden if head is None else head(view, hidden)


def build(settings: Settings, phase: str, sizes: Encoders, facts: CorpusFacts) -> IICL:
    """See :func:`iicl.methods.build`; labels are not read."""
    video, audio = (encoders.build(sizes.of(view), facts) for view in IICL.samples)
    return IICL(settings, phase, cast(Encoder, video), cast(Encoder, audio))


def _part(name: str) -> str:
    return name.partition(".")[0]
