"""AVTS: values by hand, the plateau, and the curriculum."""

import pytest
import torch

from iicl import methods
from iicl.config import PretrainLength
from iicl.methods.avts.method import margin_terms
from iicl.methods.avts.settings import Settings
from tests.iicl.facts import facts
from tests.iicl.methods.every_method import SMALL, batch_of
from tests.iicl.methods.wave import wave


def make(phase: str, **settings: float):  # type: ignore[no-untyped-def]
    torch.manual_seed(0)
    return methods.build(Settings(**settings), phase, SMALL, facts())


def test_the_terms_have_the_known_values() -> None:
    belongs = torch.tensor([True, True, False, False])
    terms = margin_terms(wave(4, 0), wave(4, 1), belongs, 0.99)
    expected = [0.1575041, 0.2312700, 0.2517558, 0.2001623]
    assert terms.tolist() == pytest.approx(expected, abs=1e-6)
    assert terms.mean().item() == pytest.approx(0.2101731, abs=1e-6)


def test_a_wrong_pair_beyond_the_margin_passes_no_gradient_on() -> None:
    first = torch.tensor([[1.0, 0.0], [1.0, 0.0]], requires_grad=True)
    second = torch.tensor([[-1.0, 0.0], [0.8, 0.6]])
    margin_terms(first, second, torch.tensor([False, False]), 0.99).sum().backward()
    assert first.grad is not None
    assert not first.grad[0].any()
    assert first.grad[1].any()


def test_with_one_distance_for_all_pairs_the_loss_is_the_plateau_at_best() -> None:
    method = make("easy")
    losses = []
    for distance in [*torch.linspace(0.1, 0.9, 81).tolist(), 0.495]:
        angle = 2 * torch.arcsin(torch.tensor(distance / 2))
        video = torch.tensor([[1.0, 0.0]]).repeat(4, 1)
        audio = torch.stack([angle.cos(), angle.sin()]).repeat(4, 1)
        losses.append(method.loss({"video": video, "audio": audio})[0].item())
    assert min(losses) == pytest.approx(0.99**2 / 4, abs=1e-6)
    assert losses[-1] == min(losses)


def features(num_items: int = 40) -> dict[str, torch.Tensor]:
    draws = torch.arange(num_items)[:, None].expand(-1, 10) / num_items
    x = {n: wave(num_items, i) for i, n in enumerate(("video", "audio", "audio:apart"))}
    return {**x, "draws": draws}


def test_a_quarter_of_the_negatives_are_of_another_time_in_the_second_phase() -> None:
    given = features()
    video, audio, apart, _ = given.values()
    terms = [(0.99 - (v - a).norm()).clamp_min(0) ** 2 for v, a in zip(video, apart, strict=True)]
    rolled = [audio[i - 1] for i in range(40)]
    terms[10:] = [
        (0.99 - (v - a).norm()).clamp_min(0) ** 2
        for v, a in zip(video[10:], rolled[10:], strict=True)
    ]
    parts = make("hard").loss(given)[1]
    torch.testing.assert_close(parts["negative"], torch.stack(terms).mean())
    alone = make("easy").loss({n: given[n] for n in ("video", "audio")})[1]
    assert not torch.isclose(parts["negative"], alone["negative"])
    torch.testing.assert_close(parts["positive"], alone["positive"])


def test_the_choice_of_hard_items_does_not_depend_on_their_order() -> None:
    given = features()
    order = torch.arange(39, -1, -1)
    everything = make("hard", hard_share=1.0).loss(given)[1]
    turned = make("hard", hard_share=1.0).loss({n: x[order] for n, x in given.items()})[1]
    torch.testing.assert_close(turned, everything)


def test_batch_norm_sees_both_sounds_of_an_item_together() -> None:
    method = make("hard").train()
    batch = batch_of(method.samples, 4)
    method.encode(batch)
    (first, *_) = (m for m in method.audio_encoder.modules() if hasattr(m, "num_batches_tracked"))
    assert first.num_batches_tracked == 1


@pytest.mark.parametrize(("part", "easy", "hard"), [(0.5, 3, 3), (1.0, 6, 0), (0.0, 0, 6)])
def test_the_second_phase_begins_after_its_part_of_the_epochs(
    part: float, easy: int, hard: int
) -> None:
    length = PretrainLength(initialisation=5, co_training=1)
    plans = Settings(easy_part=part).phases(length)
    assert [plan.epochs for plan in plans] == [easy, hard]


def test_equal_first_phases_are_one_run() -> None:
    length = PretrainLength(initialisation=5, co_training=1)
    (first, _), (other, _) = (Settings(hard_share=s).phases(length) for s in (0.25, 0.5))
    assert first == other
