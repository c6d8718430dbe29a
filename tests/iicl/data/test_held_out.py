"""The part of a train split that is held out."""

import itertools

import numpy as np
import pytest

from iicl.data.held_out import held_out


def split(labels, groups, fold=1):
    mask = held_out([label.split("+") for label in labels], groups, fold)
    rows = list(zip(labels, groups, mask.tolist(), strict=True))
    return [row for row in rows if row[2]], [row for row in rows if not row[2]]


def test_a_fifth_of_the_groups_of_each_class_is_held_out_whole():
    labels = ["a"] * 30 + ["b"] * 20 + ["c"] * 6
    groups = [f"a{i % 10}" for i in range(30)] + [f"b{i % 3}" for i in range(20)] + ["c0"] * 6
    held, kept = split(labels, groups)
    assert not {group for _, group, _ in held} & {group for _, group, _ in kept}
    counted = {label: len({g for one, g, _ in held if one == label}) for label in "abc"}
    assert counted == {"a": 2, "b": 1, "c": 0}  # of one group, nothing
    assert {label for label, *_ in kept} == set("abc")


def test_it_depends_on_no_order_and_on_the_fold():
    labels = [letter for letter in "abcdef" for _ in range(20)]
    groups = [f"{letter}{i}" for letter in "abcdef" for i in range(20)]
    held, _ = split(labels, groups)
    order = np.random.default_rng(0).permutation(len(labels))
    again, _ = split([labels[i] for i in order], [groups[i] for i in order])
    assert {group for _, group, _ in again} == {group for _, group, _ in held}
    other, _ = split(labels, groups, fold=2)
    assert {group for _, group, _ in other} != {group for _, group, _ in held}


def test_an_item_more_moves_no_other_group_of_its_class():
    """A row of features that lacks one item still holds out the same recordings."""
    groups = [f"a{i}" for i in range(10)]
    held, _ = split(["a"] * 10, groups)
    more, _ = split(["a"] * 11, [*groups, "a3"])
    assert {group for _, group, _ in more} == {group for _, group, _ in held}


@pytest.mark.parametrize("seed", range(20))
def test_each_class_keeps_a_group_where_classes_share_groups(seed):
    rng = np.random.default_rng(seed)
    groups = [str(number) for number in rng.integers(0, 7, 40)]
    labels = ["+".join(sorted(set(rng.choice(list("abcd"), 2)))) for _ in groups]
    held, kept = split(labels, groups)
    assert not {group for _, group, _ in held} & {group for _, group, _ in kept}
    assert held
    kept_classes = set(itertools.chain(*(label.split("+") for label, *_ in kept)))
    assert kept_classes == set(itertools.chain(*(label.split("+") for label in labels)))


def test_one_group_cannot_be_held_out():
    assert not held_out([["a"], ["a"]], ["0", "0"], 1).any()
