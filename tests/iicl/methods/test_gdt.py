"""GDT: values by hand, by a slow loop, and what its controls must show."""

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from iicl import methods
from iicl.methods.gdt.method import (
    Pair,
    hypothesis_terms,
    invariant_loss,
    own_copy_loss,
    variant_loss,
)
from iicl.methods.gdt.settings import Settings
from iicl.training.precision import encode
from tests.iicl.facts import facts
from tests.iicl.methods.every_method import SMALL, batch_of
from tests.iicl.methods.toy_pairs import toy, trained
from tests.iicl.methods.wave import wave

T = 0.07
PLAIN: Pair = (wave(4, 0), wave(4, 1))
COPY: Pair = (wave(4, 2), wave(4, 3))
FOUR = {name: (wave(4, 2 * n), wave(4, 2 * n + 1)) for n, name in enumerate("abcd")}


def loss_of(hypothesis: int, pairs: dict[str, Pair]) -> Tensor:
    return torch.stack(list(hypothesis_terms(hypothesis, pairs, T).values())).mean()


def of_hypothesis_1() -> list[float]:
    """The loss of the plain copy, and the norms of its gradients at videos and at sounds."""
    video, audio = (x.clone().requires_grad_() for x in PLAIN)
    loss = loss_of(1, {"": (video, audio)})
    loss.backward()
    assert video.grad is not None
    assert audio.grad is not None
    return [loss.item(), video.grad.norm().item(), audio.grad.norm().item()]


def test_hypothesis_1_has_the_known_value_and_gradients_without_those_through_keys(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert of_hypothesis_1() == pytest.approx([0.1247694, 0.6457766, 0.6017783], abs=1e-6)
    monkeypatch.setattr(Tensor, "detach", lambda keys: keys)
    assert of_hypothesis_1() == pytest.approx([0.1247694, 1.2792144, 1.2521867], abs=1e-6)


def test_two_copies_have_the_known_values() -> None:
    assert variant_loss(PLAIN, COPY, T).item() == pytest.approx(0.7179513, abs=1e-6)
    assert invariant_loss(PLAIN, COPY, T).item() == pytest.approx(4.7340247, abs=1e-6)
    assert own_copy_loss(PLAIN, COPY, T).item() == pytest.approx(0.4065910, abs=1e-6)
    pairs = {"": PLAIN, "reversed": COPY}
    assert loss_of(2, pairs).item() == pytest.approx(0.7179513, abs=1e-6)
    assert loss_of(3, pairs).item() == pytest.approx(2.5703078, abs=1e-6)


def slow(queries: Tensor, keys: Tensor, negatives: list[tuple[Tensor, bool]]) -> float:
    """The mean over queries of -log of the key's share, with the negatives named one by one."""
    total = 0.0
    for i, query in enumerate(queries):
        of_key = math.exp(float(query @ keys[i]) / T)
        below = of_key
        for rows, with_own in negatives:
            below += sum(
                math.exp(float(query @ row) / T) for j, row in enumerate(rows) if with_own or j != i
            )
        total -= math.log(of_key / below)
    return total / len(queries)


def slow_between(relation: str, one: Pair, other: Pair) -> float:
    (v, a), (w, b) = one, other
    streams = [(v, a, b), (a, v, w), (w, b, a), (b, w, v)]  # query, own copy's, other copy's
    if relation == "variant":
        terms = [slow(q, own, [(own, False), (far, True)]) for q, own, far in streams]
    elif relation == "invariant":
        terms = [slow(q, far, [(far, False), (own, False)]) for q, own, far in streams]
    else:
        terms = [slow(q, own, [(own, False), (far, False)]) for q, own, far in streams]
    return sum(terms) / 4


@pytest.mark.parametrize(
    ("hypothesis", "relations"),
    [
        (2, ["variant"]),
        (3, ["invariant", "own"]),
        (4, ["variant"]),
        (5, ["invariant", "own"]),
    ],
)
def test_two_copies_are_compared_as_the_hypothesis_says(
    hypothesis: int, relations: list[str]
) -> None:
    terms = [slow_between(relation, PLAIN, COPY) for relation in relations]
    loss = loss_of(hypothesis, {"": PLAIN, "x": COPY})
    assert loss.item() == pytest.approx(sum(terms) / len(terms), abs=1e-9)


@pytest.mark.parametrize(
    ("hypothesis", "reversal", "shift"),
    [
        (6, "variant", "variant"),
        (7, "invariant", "variant"),
        (8, "variant", "invariant"),
        (9, "invariant", "invariant"),
    ],
)
def test_four_copies_are_compared_as_the_hypothesis_says(
    hypothesis: int, reversal: str, shift: str
) -> None:
    plain, shifted, reversed_, both = FOUR.values()
    terms = [slow_between(reversal, plain, reversed_), slow_between(reversal, shifted, both)]
    terms += [slow_between(shift, plain, shifted), slow_between(shift, reversed_, both)]
    if reversal == "invariant":
        terms.append(slow_between("own", plain, reversed_))
    if shift == "invariant":
        terms.append(slow_between("own", plain, shifted))
    assert loss_of(hypothesis, FOUR).item() == pytest.approx(sum(terms) / len(terms), abs=1e-9)


@pytest.mark.parametrize("hypothesis", [2, 3, 4, 5])
def test_it_matters_not_which_copy_comes_first(hypothesis: int) -> None:
    loss = loss_of(hypothesis, {"": PLAIN, "x": COPY})
    torch.testing.assert_close(loss_of(hypothesis, {"": COPY, "x": PLAIN}), loss)


@pytest.mark.parametrize("hypothesis", range(1, 10))
def test_it_matters_not_in_which_order_items_come(hypothesis: int) -> None:
    num_copies = len(Settings(hypothesis=hypothesis).copies())
    pairs = dict(list(FOUR.items())[:num_copies])
    order = torch.tensor([2, 0, 3, 1])
    moved = {name: (v[order], a[order]) for name, (v, a) in pairs.items()}
    torch.testing.assert_close(loss_of(hypothesis, moved), loss_of(hypothesis, pairs))


def test_where_all_embeddings_are_the_same_a_loss_is_the_logarithm_of_the_number_of_keys() -> None:
    same: Pair = (torch.ones(8, 1), torch.ones(8, 1))
    assert loss_of(1, {"": same}).item() == pytest.approx(math.log(8), abs=1e-6)
    assert variant_loss(same, same, T).item() == pytest.approx(math.log(16), abs=1e-6)
    assert invariant_loss(same, same, T).item() == pytest.approx(math.log(15), abs=1e-6)
    assert own_copy_loss(same, same, T).item() == pytest.approx(math.log(15), abs=1e-6)


def test_copies_that_do_not_differ_keep_a_variant_loss_at_log_2() -> None:
    perfect: Pair = (torch.eye(8), torch.eye(8))
    assert loss_of(2, {"": perfect, "x": perfect}).item() == pytest.approx(math.log(2), abs=1e-4)
    assert loss_of(1, {"": perfect}).item() < 1e-4


COPIES = {1: [""], 2: ["", "reversed"], 4: ["", "shifted"]}
COPIES[6] = ["", "shifted", "reversed", "shifted_reversed"]


@pytest.mark.parametrize(("hypothesis", "copies"), COPIES.items())
def test_it_encodes_each_copy_once(hypothesis: int, copies: list[str]) -> None:
    settings = Settings(hypothesis=hypothesis)
    method = methods.build(settings, "training", SMALL, facts()).eval()
    embeddings = method.encode(batch_of(method.samples, 3))
    assert set(embeddings) == {f"{v}:{c}".strip(":") for v in ("video", "audio") for c in copies}
    for value in embeddings.values():
        torch.testing.assert_close(value.norm(dim=1), torch.ones(3))
    for one, other in pairwise(embeddings.values()):
        assert not torch.allclose(one, other)


@pytest.mark.parametrize("signal", ["kept", "destroyed"])
def test_a_reversed_copy_runs_backwards_unless_the_signal_is_destroyed(signal: str) -> None:
    settings = Settings(hypothesis=2, signal=signal)
    method = methods.build(settings, "training", SMALL, facts()).eval()
    batch = batch_of(method.samples, 3)
    batch["video:reversed"] = batch["video"]
    embeddings = method.encode(batch)
    for view in ("video", "audio"):
        is_same = torch.allclose(embeddings[view], embeddings[f"{view}:reversed"])
        assert is_same == (signal == "destroyed")
    batch["video:reversed"], batch["audio"] = batch["video"].flip(2), batch["audio"].flip(3)
    turned = method.encode(batch)
    if signal == "kept":
        torch.testing.assert_close(turned["video:reversed"], embeddings["video"])
        torch.testing.assert_close(turned["audio:reversed"], embeddings["audio"])


def test_a_shifted_copy_is_from_another_time_unless_the_signal_is_destroyed() -> None:
    kept, destroyed = (
        {s.name: s for s in Settings(hypothesis=4, signal=signal).samples("training")}
        for signal in ("kept", "destroyed")
    )
    assert kept["video:shifted"].time == "drawn"
    assert destroyed["video:shifted"].of == "video"
    assert kept["audio:shifted"].of == destroyed["audio:shifted"].of == "video:shifted"


def test_without_copies_there_is_no_signal_to_destroy() -> None:
    with pytest.raises(ValueError, match="got hypothesis 1; its control is pairing 'shuffled'"):
        Settings(signal="destroyed")


def test_heads_have_the_widths_of_the_settings() -> None:
    method = methods.build(Settings(hidden=7, embedding_dim=5), "training", SMALL, facts())
    for head in (method.video_head, method.audio_head):
        layers = [part for part in head if isinstance(part, torch.nn.Linear)]
        assert [(layer.out_features, layer.bias is None) for layer in layers] == [
            (7, True),
            (5, False),
        ]
    assert Settings().hidden == 512


def test_embeddings_have_length_1_in_half_precision_too() -> None:
    method = methods.build(Settings(), "training", SMALL, facts())
    features = encode(method.encode, batch_of(method.samples, 8), "bf16")
    for value in features.values():
        torch.testing.assert_close(value.norm(dim=1), torch.ones(8), rtol=0, atol=1e-5)


def test_it_learns_which_sound_belongs_to_a_video_and_nothing_from_shuffled_pairs() -> None:
    loss, share = trained(toy(Settings(), "training"), paired=True)
    assert loss < 1
    assert share > 0.9
    loss, share = trained(toy(Settings(), "training"), paired=False)
    assert loss > math.log(32) - 0.01
    assert share < 0.1


@pytest.mark.parametrize(("signal", "is_learnt"), [("kept", True), ("destroyed", False)])
def test_it_learns_to_tell_copies_apart_unless_the_signal_is_destroyed(
    signal: str, is_learnt: bool
) -> None:
    method = toy(Settings(hypothesis=2, signal=signal), "training")
    loss, share = trained(method, paired=True)
    assert (loss < math.log(2) - 0.2) == is_learnt
    assert is_learnt or loss > math.log(2)
    assert share > 0.9  # items are told apart in either case
