"""A step keeps as many graphs as its memory holds: same bits, fewer encodings."""

import weakref
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from iicl.config import Execution
from iicl.encoders.r2plus1d.network import R2Plus1D
from iicl.encoders.resnet.network import ResNet
from iicl.methods.base import Method
from iicl.methods.iicl.method import IICL
from iicl.methods.iicl.settings import Settings as IICLSettings
from iicl.training.distributed import ALONE, Ranks, connect
from iicl.training.graph_memory import GIB, budget_bytes, measured_graph
from iicl.training.large_batch import backward
from tests.iicl.training.chunked_steps import N, gradients, make, views
from tests.iicl.training.one_number import train
from tests.iicl.training.ranks import on_ranks

CHUNK = 2
NUM_CHUNKS = N // CHUNK


def graph_bytes(method: Method, batch: dict[str, Tensor]) -> int:
    """Size of the graph of one chunk."""
    chunk = {name: sample[:CHUNK] for name, sample in batch.items()}
    with measured_graph([*method.parameters(), *chunk.values()]) as graph:
        method.encode(chunk)
    return graph.num_bytes


def test_a_graph_holds_what_is_saved_once_and_nothing_that_lives_without_it() -> None:
    weight, x = torch.ones(3, 3, requires_grad=True), torch.ones(5, 3)
    with measured_graph([weight, x]) as graph:
        y = (x @ weight).tanh()  # saves its value, 5 x 3
        y.square()  # saves y again
        y[1:].square()  # a part of it
        y.exp()  # saves its value
    assert graph.num_bytes == 2 * 5 * 3 * 4
    with measured_graph([weight]) as graph:
        x @ weight
    assert graph.num_bytes == 5 * 3 * 4
    with measured_graph([]) as graph, torch.no_grad():
        (x @ weight).exp()
    assert graph.num_bytes == 0


def noisy() -> IICL:
    return make(norm=True, dropout=0.4).float()


def real() -> IICL:
    torch.manual_seed(0)
    settings = IICLSettings(clusters=5, instance_dim=7)
    return IICL(settings, "co_training", R2Plus1D(2, 1), ResNet(2, 1))


def real_views() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(1)
    shapes = {"video": (3, 4, 16, 16), "audio": (1, 40, 32)}
    return {n: torch.randn(N, *shape, generator=generator) for n, shape in shapes.items()}


def small_views() -> dict[str, Tensor]:
    return {name: view.float() for name, view in views().items()}


CASES = [(noisy, small_views, "float32"), (real, real_views, "float32"), (real, real_views, "bf16")]
BUDGETS = (0.0, 1.0, 2.0, 2.5, 100.0)  # in graphs of a chunk


def step(case: int, budget: float, ranks: Ranks) -> dict[str, Tensor]:
    """Everything that a step leaves: loss, gradients, statistics, the generator's next number."""
    make_method, make_views, precision = CASES[case]
    method, batch = make_method(), make_views()
    memory = int(budget * graph_bytes(make_method(), batch))
    own = ranks.share.of_batch(N, CHUNK)
    share = {name: sample[own.start : own.stop] for name, sample in batch.items()}
    torch.manual_seed(5)
    loss = backward(
        method,
        share,
        CHUNK,
        precision=precision,
        ranks=ranks,
        graph_memory=memory,  # type: ignore[arg-type]
    )
    return {
        "total": loss.total,
        **{f"feature {name}": feature for name, feature in loss.features.items()},
        **{f"gradient {name}": gradient for name, gradient in gradients(method).items()},
        **{f"statistic {name}": buffer for name, buffer in method.named_buffers()},
        "generator": torch.rand(3),
    }


@pytest.fixture(scope="module")
def steps() -> dict[int, list[list[dict[str, Tensor]]]]:
    """By number of ranks, of each rank: the steps of every case and budget."""

    def all_steps() -> list[dict[str, Tensor]]:
        with connect("cpu") as ranks:
            return [step(case, budget, ranks) for case in range(len(CASES)) for budget in BUDGETS]

    return {size: on_ranks(size, all_steps) for size in (1, 2)}


@pytest.mark.parametrize("case", range(len(CASES)))
@pytest.mark.parametrize("size", [1, 2])
def test_no_bit_depends_on_the_memory(steps, size: int, case: int) -> None:
    expected = steps[1][0][case * len(BUDGETS)]
    assert any(name.startswith("gradient") for name in expected)
    for rank in steps[size]:
        for k in range(len(BUDGETS)):
            actual = rank[case * len(BUDGETS) + k]
            assert actual.keys() == expected.keys()
            for name, value in actual.items():
                assert torch.equal(value, expected[name]), (BUDGETS[k], name)


def test_ranks_may_have_different_memory(steps) -> None:
    def unequal() -> dict[str, Tensor]:
        with connect("cpu") as ranks:
            return step(0, [0.0, 100.0][ranks.rank], ranks)

    for rank in on_ranks(2, unequal):
        for name, value in steps[1][0][0].items():
            assert torch.equal(rank[name], value), name


@pytest.mark.parametrize(
    ("budget", "num_kept"), [(0.0, 1), (0.99, 1), (1.0, 1), (2.0, 2), (3.99, 3), (4.0, 4), (9.0, 4)]
)
def test_chunks_whose_graph_is_kept_are_encoded_once(budget: float, num_kept: int) -> None:
    method = make()
    memory = int(budget * graph_bytes(make(), views()))
    backward(method, views(), CHUNK, graph_memory=memory)
    assert method.video_encoder.calls == 2 * NUM_CHUNKS - num_kept


class Token(torch.autograd.Function):
    """The identity, whose graph holds a tensor that counts itself."""

    alive, most = 0, 0

    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:
        token = torch.empty(100_000)
        weakref.finalize(token, Token.end)
        Token.alive += 1
        Token.most = max(Token.most, Token.alive)
        context.save_for_backward(token)
        return x.clone()

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:  # type: ignore[override]
        return gradient * context.saved_tensors[0].shape[0] / 100_000

    @staticmethod
    def end() -> None:
        Token.alive -= 1


class Counted(nn.Module):
    """An encoder whose graphs are counted."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.feature_dim = encoder.feature_dim

    def forward(self, x: Tensor) -> Tensor:
        return Token.apply(self.encoder(x))


@pytest.mark.parametrize(("budget", "most"), [(0.0, 1), (1.0, 1), (2.0, 2), (3.0, 3), (9.0, 4)])
def test_no_more_graphs_live_at_a_time_than_the_memory_holds(budget: float, most: int) -> None:
    method = make(co_attention="batch")
    method.video_encoder = Counted(method.video_encoder)
    memory = int(budget * graph_bytes(method, views()))
    assert Token.alive == 0
    Token.most = 0
    backward(method, views(), CHUNK, graph_memory=memory)
    assert (Token.alive, Token.most) == (0, most)


def test_a_training_gets_the_memory_of_its_execution(tmp_path) -> None:
    def encodings(**execution: float) -> int:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        method, _ = train(folder, num_steps=1, chunk_size=1, **execution)
        return len(method.modes)

    assert encodings(graph_memory_gib=0) == 3  # of two chunks
    assert encodings(graph_memory_gib=0.1) == 2
    assert encodings() == 2


def test_without_a_setting_the_memory_depends_on_the_device() -> None:
    assert budget_bytes(Execution(), ALONE.device) == 2 * GIB
    assert budget_bytes(Execution(graph_memory_gib=0), ALONE.device) == 0
    assert budget_bytes(Execution(graph_memory_gib=1.5), torch.device("cuda", 0)) == 3 * GIB // 2
