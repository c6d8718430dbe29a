"""Eqs. 3 to 6 against slow loops written from the equations, in value and gradient."""

import itertools
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from iicl.losses import assignment_entropy, cluster_loss, contrastive_loss, instance_loss


def slow_similarity(a: list[Tensor], b: list[Tensor], norm: str) -> Tensor:
    product = sum(x * y for x, y in zip(a, b, strict=True))
    if norm == "l2":
        length_a, length_b = (sum(x * x for x in r).sqrt() for r in (a, b))
    else:
        length_a, length_b = (sum(x.abs() for x in r) for r in (a, b))
    return product / (length_a * length_b)


def slow_direction(
    anchors: Tensor, keys: Tensor, temperature: float, norm: str, margin: float = 0.0
) -> Tensor:
    """Eq. 3, one scalar at a time."""
    a, k = ([list(row) for row in matrix] for matrix in (anchors, keys))
    loss = torch.zeros((), dtype=torch.float64)
    for i in range(len(a)):
        scores = [
            ((slow_similarity(a[i], k[j], norm) - (margin if i == j else 0)) / temperature).exp()
            for j in range(len(k))
        ]
        loss = loss - (scores[i] / sum(scores)).log()
    return loss / len(a)


def slow_entropy(y: Tensor, norm: str) -> Tensor:
    """H(Y) of eq. 6 for one modality, one scalar at a time."""
    columns = [sum(y[j, i] for j in range(y.shape[0])) for i in range(y.shape[1])]
    size = sum(columns) if norm == "entrywise" else max(columns)
    return -sum(c / size * (c / size).log() for c in columns)


def gradients(function: Callable[..., Tensor], *inputs: Tensor) -> list[Tensor]:
    leaves = [x.detach().clone().requires_grad_() for x in inputs]
    total = function(*leaves)
    return [total.detach(), *torch.autograd.grad(total, leaves)]


def assert_same(fast: Callable[..., Tensor], slow: Callable[..., Tensor], *inputs: Tensor) -> None:
    for x, y in zip(gradients(fast, *inputs), gradients(slow, *inputs), strict=True):
        torch.testing.assert_close(x, y, rtol=1e-10, atol=1e-12)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def assignments(n: int, c: int, seed: int = 0, scale: float = 1.0) -> Tensor:
    return (normal(n, c, seed=seed) * scale).softmax(1)


@pytest.mark.parametrize(
    ("norm", "temperature", "margin", "shape"),
    [("l2", 0.5, 0.0, (5, 3)), ("l1", 0.07, 0.0, (4, 6)), ("l2", 0.2, 0.3, (2, 7))],
)
def test_instance_loss_is_equations_3_and_4(
    norm: str, temperature: float, margin: float, shape: tuple[int, int]
) -> None:
    def fast(v: Tensor, a: Tensor) -> Tensor:
        terms = instance_loss(v, a, temperature=temperature, similarity=norm, margin=margin)
        assert set(terms) == {"instance_first", "instance_second"}
        return sum(terms.values())

    def slow(v: Tensor, a: Tensor) -> Tensor:
        return slow_direction(v, a, temperature, norm, margin) + slow_direction(
            a, v, temperature, norm, margin
        )

    assert_same(fast, slow, normal(*shape), normal(*shape, seed=1))


def test_each_instance_term_is_its_own_direction() -> None:
    v, a = normal(5, 3), normal(5, 3, seed=1)
    terms = instance_loss(v, a, temperature=0.5)
    torch.testing.assert_close(terms["instance_first"], slow_direction(v, a, 0.5, "l2"))
    torch.testing.assert_close(terms["instance_second"], slow_direction(a, v, 0.5, "l2"))


@pytest.mark.parametrize(
    ("assignment_norm", "norm", "weight", "shape"),
    [
        ("entrywise", "l2", 1.0, (6, 4)),
        ("entrywise", "l1", 0.3, (4, 5)),  # C > N
        ("induced", "l2", 2.0, (5, 3)),
        ("entrywise", "l2", 0.0, (5, 3)),
    ],
)
def test_cluster_loss_is_equations_5_and_6(
    assignment_norm: str, norm: str, weight: float, shape: tuple[int, int]
) -> None:
    def fast(v: Tensor, a: Tensor) -> Tensor:
        terms = cluster_loss(
            v,
            a,
            temperature=0.5,
            similarity=norm,
            assignment_norm=assignment_norm,
            entropy_weight=weight,
        )
        assert set(terms) == {"cluster_first", "cluster_second", "negative_entropy"}
        return sum(terms.values())

    def slow(v: Tensor, a: Tensor) -> Tensor:
        contrast = slow_direction(v.T, a.T, 0.5, norm) + slow_direction(a.T, v.T, 0.5, norm)
        entropy = slow_entropy(v, assignment_norm) + slow_entropy(a, assignment_norm)
        return contrast - weight * entropy

    assert_same(fast, slow, assignments(*shape), assignments(*shape, seed=1))


def test_gradients_agree_with_finite_differences() -> None:
    v, a = (normal(4, 3, seed=s).requires_grad_() for s in (0, 1))
    torch.autograd.gradcheck(
        lambda v, a: tuple(instance_loss(v, a, temperature=0.5).values()), (v, a)
    )
    torch.autograd.gradcheck(
        lambda v, a: tuple(cluster_loss(v.softmax(1), a.softmax(1), temperature=0.5).values()),
        (v, a),
    )


def test_detached_keys_leave_each_gradient_to_its_own_anchors() -> None:
    v, a = normal(5, 3), normal(5, 3, seed=1)
    for detach, reaches in ((True, False), (False, True)):
        v_leaf, a_leaf = v.clone().requires_grad_(), a.clone().requires_grad_()
        terms = instance_loss(v_leaf, a_leaf, temperature=0.5, detach_keys=detach)
        for term, anchor, key in (
            ("instance_first", v_leaf, a_leaf),
            ("instance_second", a_leaf, v_leaf),
        ):
            to_anchor, to_key = torch.autograd.grad(
                terms[term], (anchor, key), retain_graph=True, allow_unused=True
            )
            assert to_anchor is not None
            assert to_anchor.abs().max() > 0
            assert (to_key is not None) == reaches


def test_landmarks() -> None:
    """Where the losses start and end, from the equations alone (tau = 0.5)."""
    n = 256
    same = torch.ones(n, 8)
    start = instance_loss(same, same, temperature=0.5)
    assert start["instance_first"].item() == pytest.approx(math.log(256), abs=1e-5)  # 5.545
    # 256 mutually equidistant unit vectors: the lowest value possible
    simplex = torch.eye(n, dtype=torch.float64) - 1 / n
    end = instance_loss(simplex, simplex, temperature=0.5)
    floor = math.log(1 + (n - 1) * math.exp(-2 * (1 + 1 / (n - 1))))
    assert end["instance_second"].item() == pytest.approx(floor, abs=1e-9)
    assert end["instance_second"].item() == pytest.approx(3.562, abs=1e-3)
    for c, floor in ((100, 2.667), (200, 3.330), (400, 4.007), (800, 4.693)):
        y = torch.eye(c)  # one item for each cluster: orthogonal non-negative columns
        terms = cluster_loss(y, y, temperature=0.5)
        assert terms["cluster_first"].item() == pytest.approx(floor, abs=1e-3)
        assert terms["negative_entropy"].item() == pytest.approx(-2 * math.log(c), abs=1e-4)
    uniform = torch.full((256, 400), 1 / 400)
    at_start = cluster_loss(uniform, uniform, temperature=0.5)
    assert sum(at_start.values()).item() == pytest.approx(0, abs=1e-4)


def test_printed_l1_similarity_cannot_tell_rows_apart() -> None:
    z = torch.randn(256, 1024, generator=torch.Generator().manual_seed(0))
    loss = instance_loss(z, z, temperature=0.5, similarity="l1")["instance_first"]
    assert loss.item() == pytest.approx(math.log(256), abs=0.01)


def test_entropy_term_is_lowest_for_balanced_clusters() -> None:
    balanced, one_cluster = torch.full((8, 4), 0.25), torch.eye(4)[[2] * 8]
    assert assignment_entropy(balanced).item() == pytest.approx(math.log(4))
    assert assignment_entropy(one_cluster).item() == 0
    terms = {
        name: cluster_loss(y, y, temperature=0.5)["negative_entropy"].item()
        for name, y in (("balanced", balanced), ("one", one_cluster))
    }
    assert terms["balanced"] < terms["one"]


EXTREME = {
    "empty clusters": lambda: torch.eye(5)[[0, 1, 1, 0]] * 200,
    "one cluster": lambda: torch.eye(5)[[3, 3, 3, 3]] * 1e4,
    "more clusters than items": lambda: torch.randn(3, 50) * 30,
    "one item": lambda: torch.randn(1, 5),
    "tiny probabilities": lambda: torch.tensor([[0.0, -40.0, -80.0, -100.0]] * 2),
    "around the threshold of empty": lambda: torch.tensor([[0.0, -27.5, -27.6, -27.7]] * 2),
    "extreme logits": lambda: torch.randn(4, 5) * 1e30,
}


@pytest.mark.parametrize("case", EXTREME)
@pytest.mark.parametrize(
    ("similarity", "norm"), list(itertools.product(("l2", "l1"), ("entrywise", "induced")))
)
def test_cluster_loss_stays_finite(case: str, similarity: str, norm: str) -> None:
    torch.manual_seed(0)
    v, a = (EXTREME[case]().requires_grad_() for _ in range(2))
    terms = cluster_loss(
        v.softmax(1),
        a.softmax(1),
        temperature=0.5,
        similarity=similarity,
        assignment_norm=norm,
    )
    total = sum(terms.values())
    assert total.isfinite()
    for gradient in torch.autograd.grad(total, (v, a)):
        assert gradient.isfinite().all()
        assert gradient.abs().max() < 1e3


def test_an_empty_cluster_has_similarity_zero_and_no_gradient() -> None:
    y = torch.tensor([[1.0, 0.0], [1.0, 0.0]], requires_grad=True)
    loss = contrastive_loss(y.T, y.T, temperature=0.5)
    # first column: similarity 1 to itself, 0 to the empty one; the empty one: 0 to both
    expected = (math.log(1 + math.exp(-2)) + math.log(2)) / 2
    assert loss.item() == pytest.approx(expected)
    (gradient,) = torch.autograd.grad(loss, y)
    assert (gradient[:, 1] == 0).all()


@pytest.mark.parametrize("scale", [0.0, 1e-40, 1e-15, 1e-8, 1e20, 1e38])
@pytest.mark.parametrize("similarity", ["l2", "l1"])
def test_instance_loss_stays_finite(scale: float, similarity: str) -> None:
    generator = torch.Generator().manual_seed(0)
    v, a = ((torch.rand(4, 3, generator=generator) * scale).requires_grad_() for _ in range(2))
    total = sum(instance_loss(v, a, temperature=0.5, similarity=similarity).values())
    assert total.isfinite()
    for gradient in torch.autograd.grad(total, (v, a)):
        assert gradient.isfinite().all()


def test_similarity_does_not_depend_on_scale() -> None:
    v, a = normal(4, 3), normal(4, 3, seed=1)
    plain = contrastive_loss(v, a, temperature=0.5)
    for scale in (1e-9, 1e200):
        torch.testing.assert_close(contrastive_loss(v * scale, a, temperature=0.5), plain)


def test_half_precision_inputs_are_computed_in_float32() -> None:
    v, a = torch.randn(64, 16).bfloat16(), torch.randn(64, 16).bfloat16()
    low = instance_loss(v, a, temperature=0.1)["instance_first"]
    assert low.dtype == torch.float32
    torch.testing.assert_close(
        low, instance_loss(v.float(), a.float(), temperature=0.1)["instance_first"]
    )
    y = torch.randn(64, 16).softmax(1).bfloat16()
    assert cluster_loss(y, y, temperature=0.5)["negative_entropy"].dtype == torch.float32


def test_what_cannot_be_contrasted_is_refused() -> None:
    with pytest.raises(ValueError, match="2 rows or more, got 1"):
        instance_loss(torch.ones(1, 3), torch.ones(1, 3), temperature=0.5)
    with pytest.raises(ValueError, match=r"\(4, 3\) and \(5, 3\)"):
        instance_loss(torch.ones(4, 3), torch.ones(5, 3), temperature=0.5)
    with pytest.raises(ValueError, match="2 rows or more, got 1"):
        cluster_loss(torch.ones(4, 1), torch.ones(4, 1), temperature=0.5)
    with pytest.raises(ValueError, match="N >= 1"):
        cluster_loss(torch.ones(0, 3), torch.ones(0, 3), temperature=0.5)
