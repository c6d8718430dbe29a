"""A method with a momentum encoder: each clip finds another clip of its item among older ones."""

import copy
from collections.abc import Mapping, Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from iicl import encoders
from iicl.config import CorpusFacts, Count, Fraction, Positive
from iicl.encoders.choice import Encoders
from iicl.methods.base import Method
from iicl.methods.settings import Encoded, Extra, MethodSettings
from iicl.samples import VIDEO, Sample

KEY = Sample("video:key")


class Settings(MethodSettings):
    """Momentum contrast (MoCo): keys come from a slow copy of the encoder and wait in a queue."""

    name: Literal["momentum_queue"] = "momentum_queue"
    temperature: Positive = 0.2
    momentum: Fraction = 0.9  # of the copy
    queue: Count = 16  # keys of earlier steps

    def samples(self, phase: str) -> tuple[Sample, ...]:
        """Two clips; the copy sees the second one."""
        return (VIDEO, KEY)

    def extra(self, phase: str, encoded: Sequence[Encoded]) -> Extra:
        """The float32 queue with an int64 place in it, and the copy, which has no backward pass."""
        encoder = encoded[0].encoder
        return Extra(
            buffer_bytes=4 * self.queue * encoder.feature_dim + 8,
            frozen_bytes=4 * encoder.num_parameters(),
            encodings={KEY.name: 0},
            forward_only={KEY.name: 1},
        )


class MomentumQueue(Method):
    """-log softmax([q . k, q . queue] / temperature)_0; then the copy and the queue move on."""

    samples = (VIDEO.name, KEY.name)
    not_exported = frozenset({"key_encoder", "queue", "place"})

    def __init__(self, settings: Settings, sizes: Encoders, facts: CorpusFacts) -> None:
        super().__init__()
        self.settings = settings
        self.video_encoder = encoders.build(sizes.of("video"), facts)
        self.key_encoder = copy.deepcopy(self.video_encoder).requires_grad_(False)
        shape = (settings.queue, sizes.of("video").feature_dim)
        self.register_buffer("queue", F.normalize(torch.randn(shape), dim=1))
        self.register_buffer("place", torch.zeros((), dtype=torch.int64))

    def encode(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {
            "query": F.normalize(self.video_encoder(batch[VIDEO.name]), dim=1),
            "key": F.normalize(self.key_encoder(batch[KEY.name]), dim=1),
        }

    def loss(self, features: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        query, key = features["query"], features["key"]
        cosines = torch.cat([(query * key).sum(1, keepdim=True), query @ self.queue.T], dim=1)
        own = torch.zeros(len(cosines), dtype=torch.int64, device=cosines.device)
        total = F.cross_entropy(cosines / self.settings.temperature, own)
        return total, {"contrast": total}

    def after_step(self, step: int, features: Mapping[str, Tensor]) -> None:
        trained = self.video_encoder.parameters()
        for slow, fast in zip(self.key_encoder.parameters(), trained, strict=True):
            slow.lerp_(fast, 1 - self.settings.momentum)
        keys = features["key"][-len(self.queue) :]
        places = (self.place + torch.arange(len(keys), device=keys.device)) % len(self.queue)
        self.queue[places] = keys
        self.place.copy_((self.place + len(keys)) % len(self.queue))


def build(settings: Settings, phase: str, sizes: Encoders, facts: CorpusFacts) -> MomentumQueue:
    return MomentumQueue(settings, sizes, facts)
