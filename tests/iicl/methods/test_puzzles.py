"""What is cut out of a video, and the number of an order."""

from itertools import permutations

import pytest
import torch

from iicl.methods.puzzles import choose, cut, rank


@pytest.mark.parametrize("length", [2, 3, 4])
def test_the_rank_of_an_order_is_its_place_among_the_sorted_tuples(length: int) -> None:
    orders = sorted(permutations(range(length)))
    assert rank(torch.tensor(orders)).tolist() == list(range(len(orders)))


def test_reversed_orders_have_the_classes_of_the_reversed_tuples() -> None:
    orders = torch.tensor(sorted(permutations(range(3))))
    assert rank(orders.flip(1)).tolist() == [5, 3, 4, 1, 2, 0]


@pytest.mark.parametrize("count", [1, 2, 3, 24])
def test_each_value_is_chosen_equally_often(count: int) -> None:
    numbers = torch.arange(24 * 50) / (24 * 50)
    assert torch.bincount(choose(numbers, count)).tolist() == [24 * 50 // count] * count
    largest = torch.tensor(1 - 2.0**-24)
    assert choose(largest, count) == count - 1


def test_pieces_are_those_of_a_loop() -> None:
    generator = torch.Generator().manual_seed(0)
    video = torch.rand(3, 2, 7, 6, 5, generator=generator)
    begins = torch.stack([torch.randint(n, (3, 4), generator=generator) for n in (4, 3, 4)], 2)
    pieces = cut(video, begins, (4, 4, 2))
    assert pieces.shape == (3, 4, 2, 4, 4, 2)
    for i in range(3):
        for k in range(4):
            t, y, x = begins[i, k].tolist()
            assert torch.equal(pieces[i, k], video[i, :, t : t + 4, y : y + 4, x : x + 2])
