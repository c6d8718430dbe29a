"""Space-time cubic puzzles: where pieces lie, the loss of their order, what can be learnt."""

import math
from itertools import permutations

import pytest
import torch
from torch import Tensor

from iicl.config import Clip, PretrainLength
from iicl.methods.st_puzzle.method import STPuzzle, shown_orders
from iicl.methods.st_puzzle.settings import Settings
from iicl.pretraining import pretrain_phases
from iicl.work import encoded_samples
from tests.iicl.methods.every_method import SMALL
from tests.iicl.methods.toy_training import Batch, toy, trained

SMALL_PIECES = {"slot_frames": 6, "piece_frames": 4, "piece_side": 0.375}
WHOLE_FRAME = {"kinds": "temporal", "temporal_grid": 1, "piece_side": 1.0}
ORDERS = sorted(permutations(range(4)))


def make(**settings: object) -> STPuzzle:
    method = toy({"name": "st_puzzle", **SMALL_PIECES, **settings})
    assert isinstance(method, STPuzzle)
    return method


def with_draws(video: Tensor) -> Batch:
    num_items = len(video)
    draws = {name: torch.rand(num_items, 10) for name in ("draws", "draws:1")}
    return {"video": video, **draws}


def in_order(batch: Batch, order: tuple[int, ...]) -> Batch:
    """The same puzzles, with their pieces in one order."""
    draws = batch["draws"].clone()
    for place, piece in enumerate(order):
        draws[:, piece] = place / 10
    return {**batch, "draws": draws}


def coordinates(num_items: int) -> Batch:
    """Three channels that hold the number of the frame, of the row and of the column."""
    axes = torch.meshgrid(torch.arange(24.0), torch.arange(16.0), torch.arange(16.0), indexing="ij")
    return with_draws(torch.stack(axes)[None].expand(num_items, -1, -1, -1, -1))


def painted(num_items: int) -> Batch:
    """Videos whose brightness is the number of the slot plus four times that of the cell."""
    slots = torch.arange(24) // 6
    halves = torch.arange(16) // 8
    cells = 2 * halves[:, None] + halves
    video = (slots[:, None, None] + 4 * cells) / 4.0
    return with_draws(video[None, None].expand(num_items, 3, -1, -1, -1))


def shown_coordinates(method: STPuzzle, batch: Batch) -> tuple[Tensor, ...]:
    """The first frame, row and column of each piece as shown: (B, 4) each."""
    first = method.shown_pieces(batch)[:, :, :, 0, 0, 0].long()
    return first[:, :, 0], first[:, :, 1], first[:, :, 2]


def test_a_temporal_quadruple_is_one_piece_of_each_slot_in_one_cell() -> None:
    method = make(kinds="temporal", channel_replication=False)
    batch = coordinates(400)
    frames, rows, columns = shown_coordinates(method, batch)
    assert torch.equal(frames // 6, shown_orders(batch["draws"]))
    cells = 2 * (rows // 8) + columns // 8
    assert torch.equal(cells, cells[:, :1].expand(-1, 4))
    assert set(cells.flatten().tolist()) == {0, 1, 2, 3}
    places(frames % 6, rows % 8, columns % 8)


def test_a_spatial_quadruple_is_one_piece_of_each_cell_in_one_slot() -> None:
    method = make(kinds="spatial", channel_replication=False)
    batch = coordinates(400)
    frames, rows, columns = shown_coordinates(method, batch)
    assert torch.equal(2 * (rows // 8) + columns // 8, shown_orders(batch["draws"]))
    slots = frames // 6
    assert torch.equal(slots, slots[:, :1].expand(-1, 4))
    assert set(slots.flatten().tolist()) == {0, 1, 2, 3}
    places(frames % 6, rows % 8, columns % 8)


def places(frames: Tensor, rows: Tensor, columns: Tensor) -> None:
    """All places within slots of 6 frames and cells of 8 x 8, for pieces of 4 and 6 x 6."""
    for begins in (frames, rows, columns):
        assert set(begins.flatten().tolist()) == {0, 1, 2}
        assert (begins[:, 0] != begins[:, 1]).any(), "each piece has a place of its own"


def test_pieces_have_their_size_and_are_contiguous() -> None:
    pieces = make(channel_replication=False).shown_pieces(coordinates(20))
    assert pieces.shape == (20, 4, 3, 4, 6, 6)
    span = (pieces[..., -1, -1, -1] - pieces[..., 0, 0, 0]).unique(dim=0)
    assert span.unique(dim=1).squeeze().tolist() == [3, 5, 5]


def test_half_of_the_items_are_of_each_kind() -> None:
    method = make(channel_replication=False)
    batch = coordinates(2000)
    is_temporal = method.is_kind("temporal", batch["draws"])
    assert is_temporal.float().mean().item() == pytest.approx(0.5, abs=0.04)
    assert torch.equal(~is_temporal, method.is_kind("spatial", batch["draws"]))
    frames, _, _ = shown_coordinates(method, batch)
    in_one_slot = (frames // 6 == frames[:, :1] // 6).all(1)
    assert torch.equal(in_one_slot, ~is_temporal)


def test_one_colour_is_shown_in_all_channels() -> None:
    pieces = make().shown_pieces(with_draws(torch.rand(300, 3, 24, 16, 16)))
    assert torch.equal(pieces, pieces[:, :, :1].expand_as(pieces))
    colours = torch.tensor([0.0, 1.0, 2.0])[:, None, None, None].expand(300, 3, 24, 16, 16)
    shown = make().shown_pieces(with_draws(colours))
    counts = torch.bincount(shown[:, 0, 0, 0, 0, 0].long())
    assert counts.min() > 70
    assert torch.equal(shown, shown[:, :1, :, :1, :1, :1].expand_as(shown)), "one for an item"


def test_showing_pieces_in_another_order_is_the_class_of_both_permutations() -> None:
    """Pieces in order p, taken in order q, are those that p[q] shows, and have its class."""
    method = make(piece_frames=6, piece_side=0.5)  # each piece fills its slot and its cell
    batch = with_draws(torch.rand(5, 3, 24, 16, 16))
    p, q = (2, 0, 3, 1), (1, 3, 0, 2)
    both = tuple(p[k] for k in q)
    shown = method.shown_pieces(in_order(batch, p))
    assert torch.equal(method.shown_pieces(in_order(batch, both)), shown[:, q])
    features = method.eval().encode(in_order(batch, both))
    expected = torch.nn.functional.cross_entropy(
        method.logits(features), torch.full((5,), ORDERS.index(both))
    )
    torch.testing.assert_close(method.loss(features)[0], expected)


def test_each_kind_has_a_head_and_the_loss_is_the_mean_over_items() -> None:
    method = make().double()
    batch = painted(40)
    features = method.encode({name: x.double() for name, x in batch.items()})
    terms: dict[str, list[Tensor]] = {"temporal": [], "spatial": []}
    for pieces, draws in zip(features["pieces"], batch["draws"], strict=True):
        kind = "temporal" if draws[4] < 0.5 else "spatial"
        log_p = method.classifiers[kind](pieces.flatten()).log_softmax(0)
        terms[kind].append(-log_p[ORDERS.index(tuple(draws[:4].argsort().tolist()))])
    total, parts = method.loss(features)
    torch.testing.assert_close(total, torch.stack([*terms["temporal"], *terms["spatial"]]).mean())
    torch.testing.assert_close(parts, {kind: torch.stack(t).mean() for kind, t in terms.items()})


def test_the_loss_starts_at_log_24() -> None:
    method = make()
    assert method.loss(method.encode(painted(90)))[0].item() == pytest.approx(math.log(24), abs=0.3)
    for classifier in method.classifiers.values():
        torch.nn.init.zeros_(classifier[2].weight)
        torch.nn.init.zeros_(classifier[2].bias)
    total, _ = method.loss(method.encode(painted(90)))
    assert total.item() == pytest.approx(3.1780538, abs=1e-6)


@pytest.mark.parametrize("kinds", ["temporal", "spatial"])
def test_a_constant_video_cannot_go_below_log_24(kinds: str) -> None:
    method = make(kinds=kinds, signal="destroyed").double().eval()
    video = torch.rand(1, 3, 24, 16, 16, dtype=torch.float64)
    one = with_draws(video)
    losses = []
    for order in ORDERS:
        features = method.encode(in_order(one, order))
        torch.testing.assert_close(features["pieces"], features["pieces"][:, :1].expand(-1, 4, -1))
        losses.append(method.loss(features)[0])
    assert torch.stack(losses).mean().item() >= math.log(24) - 1e-12


def test_painted_cells_are_learnt() -> None:
    assert trained(make(), painted, 300) > 0.99


def test_without_a_signal_nothing_is_learnt() -> None:
    assert trained(make(signal="destroyed"), painted, 100) == pytest.approx(1 / 24, abs=0.04)


def test_pieces_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"at most slot_frames \(6\), got 7"):
        Settings(slot_frames=6, piece_frames=7)
    with pytest.raises(ValueError, match=r"at most 1 / 2 of the frame.* got 0.6"):
        Settings(piece_side=0.6)
    with pytest.raises(ValueError, match=r"at most 1 / 2 of the frame.* got 1.0"):
        Settings(temporal_grid=1, piece_side=1.0)  # the spatial puzzles' cells are smaller
    Settings.model_validate(WHOLE_FRAME)


def test_four_pieces_are_priced() -> None:
    """At desk scale: full frames in time, or cells of 14 of 16 pixels in space."""
    for settings, side in ((WHOLE_FRAME, 32), ({"piece_side": 14 / 32}, 14)):
        method = {"name": "st_puzzle", "slot_frames": 6, "piece_frames": 5, **settings}
        (phase,) = pretrain_phases(
            PretrainLength(),
            method=method,
            corpus="x",
            seed=0,
            encoders=SMALL,
            clip=Clip(num_frames=8, fps=8.0, size=32),
        )
        (video,) = encoded = encoded_samples(phase)
        assert video.sample.num_frames == 24
        assert (video.clip.num_frames, video.clip.size) == (5, side)
        assert phase.method.extra("training", encoded).encodings == {"video": 4}
