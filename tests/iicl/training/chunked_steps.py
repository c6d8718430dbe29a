"""A small method, its views, and the plain step that a chunked one must equal."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from iicl.methods.base import Method
from iicl.methods.iicl.method import IICL
from iicl.methods.iicl.settings import Settings as IICLSettings
from iicl.seeding import derive_seed

N = 8


class Tokens(nn.Module):
    """A convolutional encoder with optional batch norm and dropout."""

    feature_dim = 6

    def __init__(self, norm: bool, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(3, 5, 3),
            nn.BatchNorm1d(5, momentum=0.3) if norm else nn.Identity(),
            nn.Tanh(),
            nn.Dropout(dropout),
            nn.Conv1d(5, 6, 1),
        )
        self.calls = 0

    def tokens(self, x: Tensor) -> Tensor:
        self.calls += 1
        return self.layers(x).transpose(1, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.tokens(x).mean(1)


def make(norm: bool = False, dropout: float = 0.0, **settings: object) -> IICL:
    torch.manual_seed(0)
    all_settings = {"clusters": 5, "instance_dim": 7, "co_attention_projections": True, **settings}
    encoders = (Tokens(norm, dropout) for _ in range(2))
    return IICL(IICLSettings.model_validate(all_settings), "co_training", *encoders).double()


def views(n: int = N) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return {
        view: torch.randn(n, 3, length, dtype=torch.float64, generator=generator)
        for view, length in (("video", 6), ("audio", 4))
    }


def gradients(method: Method) -> dict[str, Tensor]:
    return {n: p.grad for n, p in method.named_parameters() if p.grad is not None}


def chunks_of(batch: Mapping[str, Tensor], size: int) -> Iterator[dict[str, Tensor]]:
    for start in range(0, len(batch["video"]), size):
        yield {name: view[start : start + size] for name, view in batch.items()}


def reference(method: Method, batch: Mapping[str, Tensor], size: int) -> Tensor:
    """One graph over all chunks, held in memory at once; several are seeded by their numbers."""
    encoded = []
    chunks = [*chunks_of(batch, size)]
    if len(chunks) == 1:
        encoded.append(method.encode(batch))
    else:
        base = int(torch.randint(2**62, ()))
        for number, chunk in enumerate(chunks):
            with torch.random.fork_rng():
                torch.manual_seed(derive_seed(base, "chunk", number))
                encoded.append(method.encode(chunk))
    total, _ = method.loss({n: torch.cat([e[n] for e in encoded]) for n in encoded[0]})
    total.backward()
    return total.detach()


def assert_equal_steps(chunked: Method, plain: Method, losses: tuple[Tensor, Tensor]) -> None:
    torch.testing.assert_close(*losses, rtol=1e-10, atol=1e-10)
    expected, actual = gradients(plain), gradients(chunked)
    assert actual.keys() == expected.keys() == dict(plain.named_parameters()).keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(actual[name], gradient, rtol=1e-10, atol=1e-10, msg=name)
