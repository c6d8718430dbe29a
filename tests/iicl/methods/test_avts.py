"""AVTS: values by hand, the plateau, and the curriculum."""

import pytest
import torch

from iicl import methods
from iicl.config import PretrainLength
from iicl.methods.avts.method import margin_terms
from iicl.methods.avts.settings import Settings
from iicl.training.precision import encode
from tests.iicl.facts import facts
from tests.iicl.methods.every_method import SMALL, batch_of
from tests.iicl.methods.toy_pairs import toy, trained
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


def test_where_all_embeddings_are_the_same_gradients_are_finite() -> None:
    first, second = (torch.ones(2, 3, requires_grad=True) for _ in range(2))
    margin_terms(first, second, torch.tensor([True, False]), 0.99).sum().backward()
    for embeddings in (first, second):
        assert embeddings.grad is not None
        assert embeddings.grad.isfinite().all()


def features(num_items: int = 40) -> dict[str, torch.Tensor]:
    """Embeddings, and draws that ask a quarter of the items, anywhere in the batch."""
    ranks = torch.arange(num_items) * 7 % num_items
    draws = ranks[:, None].expand(-1, 10) / num_items
    x = {n: wave(num_items, i) for i, n in enumerate(("video", "audio", "audio:apart"))}
    return {**x, "draws": draws}


def test_the_items_whose_draw_says_so_take_a_sound_of_another_time_as_negative() -> None:
    given = features()
    video, audio, apart, draws = given.values()
    hard = [i for i in range(40) if draws[i, 0] < 0.25]
    assert len(hard) == 10
    assert hard != list(range(10))
    wrong = [apart[i] if i in hard else audio[i - 1] for i in range(40)]
    terms = [(0.99 - (v - a).norm()).clamp_min(0) ** 2 for v, a in zip(video, wrong, strict=True)]
    own = [(v - a).square().sum() for v, a in zip(video, audio, strict=True)]
    total, parts = make("hard").loss(given)
    torch.testing.assert_close(parts["negative"], torch.stack(terms).mean())
    torch.testing.assert_close(parts["positive"], torch.stack(own).mean())
    torch.testing.assert_close(total, torch.stack([*terms, *own]).mean())
    alone = make("easy").loss({n: given[n] for n in ("video", "audio")})[1]
    assert not torch.isclose(parts["negative"], alone["negative"])


def test_the_second_phase_goes_on_from_all_weights_of_the_first() -> None:
    first = make("easy")
    torch.manual_seed(1)
    second = methods.build(Settings(), "hard", SMALL, facts())
    taken = second.load_previous(first.state_dict(), keep_instance_head=True)
    assert set(taken) == set(second.state_dict())
    for name, value in second.state_dict().items():
        assert torch.equal(value, first.state_dict()[name]), name


def test_a_hard_negative_is_of_the_same_item_a_window_away() -> None:
    samples = {sample.name: sample for sample in Settings().samples("hard")}
    apart = samples["audio:apart"]
    assert (apart.item, apart.time, apart.of) == ("own", "apart", "audio")
    assert set(samples) - {"audio:apart", "draws"} == {s.name for s in Settings().samples("easy")}


def test_the_optimiser_may_go_on_in_the_second_phase_alone() -> None:
    first, second = Settings().phases(PretrainLength(initialisation=1, co_training=1))
    assert "keep_optimiser" in first.idle
    assert "keep_optimiser" not in second.idle


def test_embeddings_have_length_1_in_half_precision_too() -> None:
    method = make("hard")
    given = encode(method.encode, batch_of(method.samples, 8), "bf16")
    for name in ("video", "audio", "audio:apart"):
        torch.testing.assert_close(given[name].norm(dim=1), torch.ones(8), rtol=0, atol=1e-5)


@pytest.mark.parametrize("phase", ["easy", "hard"])
def test_it_learns_from_pairs_and_stays_at_the_plateau_without(phase: str) -> None:
    loss, share = trained(toy(Settings(), phase), paired=True)
    assert loss < 0.15
    assert share > 0.9
    loss, share = trained(toy(Settings(), phase), paired=False)
    assert loss == pytest.approx(0.99**2 / 4, abs=0.005)
    assert abs(share - 0.5) < 0.1


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
