import pytest

from iicl.seeding import derive_seed


def test_purposes_do_not_share_a_stream():
    seeds = {
        derive_seed(seed, *purpose)
        for seed in range(20)
        for purpose in [(), ("order", 1), ("order", 11), ("order", "1"), ("order1",), ("step", 1)]
    }
    assert len(seeds) == 20 * 6
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_the_value_is_the_same_everywhere():
    assert derive_seed(3, "order", 7) == 7135633342514794614


def test_a_negative_seed_is_refused():
    with pytest.raises(ValueError, match="-1"):
        derive_seed(-1)
