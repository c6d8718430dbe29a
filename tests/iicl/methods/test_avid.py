"""AVID and AVID-CMA: values by hand, negatives, banks and mined positives."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from iicl import methods
from iicl.config import PretrainLength
from iicl.methods.avid.banks import draw_rows, moved, nce, scores
from iicl.methods.avid.method import AVID
from iicl.methods.avid.settings import Settings
from iicl.methods.avid_cma import settings as cma
from iicl.methods.avid_cma.method import AVIDCMA, mine
from tests.iicl.facts import facts
from tests.iicl.methods.every_method import SMALL, batch_of
from tests.iicl.methods.wave import wave

T = 0.07
VIDEO_BANK, AUDIO_BANK = wave(8, 5), wave(8, 6)
ITEMS = torch.tensor([2, 0, 5])
NEGATIVES = torch.tensor([[0, 1, 7], [3, 4, 6], [1, 2, 3]])


def test_the_loss_has_the_known_value_and_gradients() -> None:
    video, audio = (wave(3, number).requires_grad_() for number in (0, 1))
    negative = scores(video, AUDIO_BANK, NEGATIVES, T)
    mean_score = negative.detach().exp().mean()
    assert mean_score.item() == pytest.approx(4623.443990, rel=1e-9)
    of_video = nce(scores(video, AUDIO_BANK, ITEMS[:, None], T), negative, mean_score)
    of_audio = nce(
        scores(audio, VIDEO_BANK, ITEMS[:, None], T),
        scores(audio, VIDEO_BANK, NEGATIVES, T),
        mean_score,
    )
    assert of_video.item() == pytest.approx(7.4072487, abs=1e-6)
    assert of_audio.item() == pytest.approx(5.2329757, abs=1e-6)
    ((of_video + of_audio) / 2).backward()
    assert video.grad is not None
    assert audio.grad is not None
    assert video.grad.norm().item() == pytest.approx(4.2316326, abs=1e-6)
    assert audio.grad.norm().item() == pytest.approx(3.2791787, abs=1e-6)


def test_a_row_moves_halfway_and_keeps_its_length() -> None:
    row = moved(VIDEO_BANK, ITEMS[:1], wave(3, 0)[:1], 0.5)[0]
    expected = [-0.0535353, 0.5446016, 0.0777775, -0.8333629]
    assert row.tolist() == pytest.approx(expected, abs=1e-6)


def test_the_items_that_agree_in_both_banks_are_mined() -> None:
    expected = [[1, 4], [0, 2], [1, 3], [4, 2], [3, 0], [6, 7], [5, 7], [5, 0]]
    assert mine(VIDEO_BANK, AUDIO_BANK, 2).tolist() == expected


def test_mining_in_parts_is_mining_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = mine(VIDEO_BANK, AUDIO_BANK, 2)
    monkeypatch.setattr("iicl.methods.avid_cma.method.ROWS_AT_ONCE", 3)
    assert torch.equal(mine(VIDEO_BANK, AUDIO_BANK, 2), whole)


@pytest.mark.parametrize("num_negatives", [128, 256])
def test_with_random_rows_it_starts_at_log_k_and_a_constant(num_negatives: int) -> None:
    torch.manual_seed(0)
    rows = F.normalize(torch.randn(2300, 128), dim=1)
    video = F.normalize(torch.randn(256, 128), dim=1)
    negative = scores(video, rows, torch.randint(2300, (256, num_negatives)), T)
    loss = nce(scores(video, rows, torch.arange(256)[:, None], T), negative, negative.exp().mean())
    assert loss.item() == pytest.approx(math.log(num_negatives) + 1.8, abs=0.2)


def draws(num_items: int) -> Tensor:
    return torch.rand(num_items, 10, generator=torch.Generator().manual_seed(3))


def test_negatives_are_evenly_distributed_over_all_but_the_excluded() -> None:
    excluded = torch.tensor([[3, 0], [9, 4]]).repeat(500, 1)
    rows = draw_rows(draws(1000), 64, 10, excluded)
    for part, kept_out in ((rows[::2], {0, 3}), (rows[1::2], {4, 9})):
        counts = torch.bincount(part.flatten(), minlength=10)
        assert {i for i in range(10) if counts[i] == 0} == kept_out
        kept = counts[counts > 0].double()
        # Pearson's chi-squared with 7 degrees of freedom is above 24.3 once in a thousand times.
        assert ((kept - kept.mean()) ** 2 / kept.mean()).sum() < 24.3
    assert torch.corrcoef(rows[::2].T.double()).fill_diagonal_(0).abs().max() < 0.25


def test_an_items_negatives_do_not_depend_on_its_batch() -> None:
    own = torch.arange(6)[:, None]
    whole = draw_rows(draws(6), 16, 40, own)
    assert torch.equal(draw_rows(draws(6)[4:], 16, 40, own[4:]), whole[4:])
    assert (whole[0] != whole[1]).any()


def test_a_bank_of_excluded_rows_is_refused() -> None:
    with pytest.raises(ValueError, match="a bank of 2 rows has none but the 2 excluded"):
        draw_rows(draws(1), 3, 2, torch.tensor([[0, 1]]))


def make(**settings: object) -> AVID:
    torch.manual_seed(0)
    method = methods.build(Settings(negatives=5, **settings), "training", SMALL, facts())
    assert isinstance(method, AVID)
    return method.eval()


def given(method: AVID | AVIDCMA, items: list[int]) -> dict[str, Tensor]:
    batch = batch_of(method.samples, 12)
    return method.encode({name: x[items] for name, x in batch.items()})


def test_an_items_loss_does_not_depend_on_the_others_once_z_is_known() -> None:
    method = make()
    method.mean_score.fill_(2.0)
    alone = [method.loss(given(method, [i]))[0] for i in (4, 7)]
    torch.testing.assert_close(method.loss(given(method, [4, 7]))[0], sum(alone) / 2)


def test_z_is_that_of_the_first_step_ever_after() -> None:
    method = make()
    features = given(method, [0, 1, 2])
    rows = method.negatives(features)
    expected = scores(features["video"], method.audio_bank, rows, T).exp().mean()
    before = method.loss(features)[0]
    with torch.no_grad():
        method.after_step(0, features)
        torch.testing.assert_close(method.mean_score, expected)
        method.after_step(1, given(method, [3, 4]))
    torch.testing.assert_close(method.mean_score, expected)
    assert before.isfinite()


def test_after_a_step_the_rows_of_its_items_are_nearer_to_their_embeddings() -> None:
    method = make()
    features = given(method, [8, 3])
    before = {view: method.get_buffer(f"{view}_bank").clone() for view in ("video", "audio")}
    with torch.no_grad():
        method.after_step(0, features)
    for view, rows in before.items():
        now = method.get_buffer(f"{view}_bank")
        changed = (now != rows).any(1).nonzero()[:, 0]
        assert changed.tolist() == [3, 8]
        for own, item in enumerate((8, 3)):
            assert now[item] @ features[view][own] > rows[item] @ features[view][own]


def test_filled_banks_hold_the_embeddings_of_a_pass() -> None:
    method = make(start="filled")
    features = given(method, list(range(12)))
    with torch.no_grad():
        method.before_epoch(0, lambda names: {name: features[name] for name in names})
    assert torch.equal(method.video_bank, features["video"])
    assert torch.equal(method.audio_bank, features["audio"])


def test_the_second_phase_goes_on_with_the_banks_and_leaves_positives_out_of_the_negatives() -> (
    None
):
    settings = cma.Settings(negatives=40, positives=3, within_negatives=4)
    first, second = (
        methods.build(settings, phase, SMALL, facts()).eval() for phase in settings.PHASES
    )
    assert isinstance(second, AVIDCMA)
    first.mean_score.fill_(3.0)
    taken = second.load_previous(first.state_dict(), keep_instance_head=True)
    assert set(taken) == set(first.state_dict())
    assert torch.equal(second.video_bank, first.video_bank)
    with torch.no_grad():
        second.before_epoch(0, lambda names: {})
    assert torch.equal(second.positives, mine(second.video_bank, second.audio_bank, 3))
    features = given(second, [5, 6])
    rows = second.negatives(features)
    for own, item in enumerate((5, 6)):
        assert not set(rows[own].tolist()) & set(second.positives[item].tolist())
    assert not torch.equal(second.loss(features)[0], first.loss(features)[0])


def test_positives_are_mined_anew_every_so_many_epochs() -> None:
    settings = cma.Settings(negatives=6, positives=2, mine_every=3)
    method = methods.build(settings, "agreement", SMALL, facts())
    assert isinstance(method, AVIDCMA)
    mined = []
    for epoch in range(7):
        method.positives.fill_(-1)
        method.before_epoch(epoch, lambda names: {})
        mined.append(bool((method.positives >= 0).all()))
    assert mined == [True, False, False, True, False, False, True]


@pytest.mark.parametrize(("pairs", "low", "high"), [("own", 0.5, 1), ("shuffled", -0.1, 0.1)])
def test_items_that_go_with_each_other_come_together_and_others_do_not(
    pairs: str, low: float, high: float
) -> None:
    """How much nearer an item's embedding is to the row of its own sound than to other rows."""
    method = make(bank_momentum=0.5)
    heads = [*method.video_head.parameters(), *method.audio_head.parameters()]
    optimiser = torch.optim.Adam(heads, 3e-3)
    items = torch.randn(2, 12, 16)  # of an item's video and sound, which have nothing in common
    for step in range(150):
        index, partner = torch.randperm(12)[:6], torch.randperm(12)[:6]
        sounds = items[1][index if pairs == "own" else partner]
        features = {
            "video": method.heads()["z"]("video", items[0][index]),
            "audio": method.heads()["z"]("audio", sounds),
            "index": index,
            "draws": torch.rand(6, 10),
        }
        optimiser.zero_grad()
        method.loss(features)[0].backward()
        optimiser.step()
        with torch.no_grad():
            method.after_step(step, {name: x.detach() for name, x in features.items()})
    with torch.no_grad():
        cosines = method.heads()["z"]("video", items[0]) @ method.audio_bank.T
    own = cosines.diagonal().mean()
    others = (cosines.sum() - cosines.trace()) / (12 * 11)
    assert low < own - others < high


def test_the_terms_within_are_a_mean_over_the_mined() -> None:
    settings = cma.Settings(negatives=6, positives=2, within_negatives=4, within_weight=0.5)
    method = methods.build(settings, "agreement", SMALL, facts()).eval()
    assert isinstance(method, AVIDCMA)
    method.mean_score.fill_(2.0)
    with torch.no_grad():
        method.before_epoch(0, lambda names: {})
    features = given(method, [5, 6])
    total, parts = method.loss(features)
    rows = method.negatives(features)[:, :4]
    for view in ("video", "audio"):
        bank, expected = method.get_buffer(f"{view}_bank"), 0.0
        for own, item in enumerate((5, 6)):
            embedding = features[view][own].detach()

            def share(row: int, bank: Tensor = bank, embedding: Tensor = embedding) -> float:
                of_row = math.exp(float(bank[row] @ embedding) / T)
                return of_row / (of_row + 4 * 2.0)

            mined = method.positives[item].tolist()
            expected -= sum(math.log(share(row)) for row in mined) / len(mined)
            expected -= sum(math.log(1 - share(row)) for row in rows[own].tolist())
        assert parts[f"within_{view}"].item() == pytest.approx(expected / 2, rel=1e-4)
    torch.testing.assert_close(total, sum(parts.values()) / 4)


def test_the_agreement_begins_after_its_part_of_the_epochs() -> None:
    plans = cma.Settings(instance_part=0.5).phases(PretrainLength(initialisation=5, co_training=1))
    assert [(plan.phase, plan.epochs) for plan in plans] == [("instance", 3), ("agreement", 3)]


def test_fewer_items_than_positives_are_refused() -> None:
    with pytest.raises(ValueError, match=r"32 positives need more items than that.* has 12"):
        methods.build(cma.Settings(), "agreement", SMALL, facts())
