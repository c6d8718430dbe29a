"""Features of all train items, for what a method does before an epoch."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from iicl.seeding import derive_seed
from iicl.training.distributed import Ranks
from iicl.training.precision import encode
from iicl.training.recipe import Training


class CorpusPass:
    """A :data:`iicl.methods.base.CorpusPass`: each call encodes all train items of a training.

    Ranks share the chunks. What ``encode`` draws depends on the seed and on the chunk's place.

    Args:
        training: whose method encodes whose items.
        epoch: number of the epoch before which it is called.
        seed: of the random numbers of ``encode``.
        ranks: that all make each call.
        stop_if_asked: called between chunks, by all ranks equally often; raises to stop.

    Attributes:
        num_items: items encoded so far, of all ranks together.
    """

    def __init__(
        self,
        training: Training,
        epoch: int,
        seed: int,
        ranks: Ranks,
        stop_if_asked: Callable[[], None],
    ) -> None:
        self._training, self._epoch = training, epoch
        self._seed, self._ranks = seed, ranks
        self._stop_if_asked = stop_if_asked
        self.num_items = 0

    def __call__(self, names: Sequence[str]) -> dict[str, Tensor]:
        """The named features of N items, (N, ...) each.

        Raises:
            ValueError: if ``encode`` gives no feature of a name.
            Interrupted: if asked to stop.
        """
        method, device = self._training.method, self._training.items.device
        was_training = method.training
        method.eval()
        try:
            # Reading draws from the generator too.
            generators = [device] if device.type == "cuda" else []
            with torch.random.fork_rng(generators), torch.no_grad():
                own = self._encode(names)
        finally:
            method.train(was_training)
        features = {name: self._ranks.concatenate(part) for name, part in own.items()}
        num_items = len(self._training.items.positions)
        assert all(len(feature) == num_items for feature in features.values())
        self.num_items += num_items
        return features

    def _encode(self, names: Sequence[str]) -> dict[str, Tensor]:
        """The features of this rank's items."""
        training, items = self._training, self._training.items
        num_chunks = -(-len(items.positions) // (items.chunk_size or items.batching.batch_size))
        numbers = self._ranks.share.of(num_chunks)
        num_questions = num_chunks // self._ranks.size  # a rank has so many chunks, or one more
        parts: dict[str, list[Tensor]] = {name: [] for name in names}
        for number, batch in zip(numbers, items.chunks_in_order(self._epoch), strict=True):
            if number - numbers.start < num_questions:
                self._stop_if_asked()
            torch.manual_seed(derive_seed(self._seed, "chunk", number))
            features = encode(training.method.encode, items.samples(batch), training.precision)
            for name in names:
                if name not in features:
                    raise ValueError(
                        f"{type(training.method).__name__} has no features {name!r};"
                        f" legal: {', '.join(features)}"
                    )
                parts[name].append(features[name])
        return {name: torch.cat(chunks) for name, chunks in parts.items()}
