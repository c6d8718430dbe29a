import numpy as np
import pytest
import torch

from iicl.evaluation import search
from iicl.evaluation.search import nearest


def by_sorting(queries, gallery, num_nearest, without_own):
    """All cosines at once, rounded to six decimals, in a stable sort."""
    cosines = np.round(queries @ gallery.T, 6)
    if without_own:
        np.fill_diagonal(cosines, -np.inf)
    rows = np.argsort(-cosines, axis=1, kind="stable")[:, :num_nearest]
    return rows, np.take_along_axis(cosines, rows, axis=1)


@pytest.mark.parametrize("without_own", [False, True])
@pytest.mark.parametrize("num_nearest", [1, 7, 50])
@pytest.mark.parametrize("grain", [2, 16, 1024])
def test_nearest_equals_a_stable_sort_with_ties_in_and_across_blocks(
    grain, num_nearest, without_own
):
    """Fractions of a power of two, whose products are exact in float32: many ties, some, few."""
    rng = np.random.default_rng(grain)
    num_gallery = 2 * search.BLOCK_GALLERY + 37
    queries, gallery = (
        (rng.integers(-grain // 4, grain // 4 + 1, (size, 8)) / grain).astype("f4")
        for size in (search.BLOCK_QUERIES + 9, num_gallery)
    )
    gallery[20_000:20_050] = gallery[:50]
    rows, cosines = nearest(
        torch.from_numpy(queries), torch.from_numpy(gallery), num_nearest, without_own=without_own
    )
    expected_rows, expected_cosines = by_sorting(queries, gallery, num_nearest, without_own)
    np.testing.assert_array_equal(rows, expected_rows)
    np.testing.assert_array_equal(cosines, expected_cosines)


@pytest.mark.parametrize("num_gallery", [1, 2, 3, 10, 100])
def test_every_size_of_a_small_gallery(num_gallery):
    rng = np.random.default_rng(num_gallery)
    queries, gallery = ((rng.integers(-2, 3, (n, 4)) / 8).astype("f4") for n in (5, num_gallery))
    for k in range(1, num_gallery + 1):
        rows, _ = nearest(torch.from_numpy(queries), torch.from_numpy(gallery), k)
        np.testing.assert_array_equal(rows, by_sorting(queries, gallery, k, False)[0])


def test_equal_embeddings_come_in_the_order_of_the_gallery():
    same = torch.full((300, 16), 0.25)
    rows, cosines = nearest(same, same, 40)
    assert torch.equal(rows, torch.arange(40).expand(300, -1))
    assert torch.equal(cosines, torch.ones(300, 40))


def test_what_cannot_be_ordered_is_refused():
    vectors = torch.eye(3)
    with pytest.raises(ValueError, match="must be 1 to 2, not 3"):
        nearest(vectors, vectors, 3, without_own=True)
    with pytest.raises(ValueError, match="must be 1 to 3, not 0"):
        nearest(vectors, vectors, 0)
    broken = vectors.clone()
    broken[1, 1] = float("nan")
    with pytest.raises(ValueError, match="gallery must be finite"):
        nearest(vectors, broken, 1)
