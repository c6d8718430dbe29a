import pytest

from iicl.training import schedule


def test_warmup_rises_linearly_from_an_eighth_and_falls_at_each_milestone():
    def factor(epoch):
        return schedule.steps_with_warmup(epoch, warmup_epochs=2, milestones=(6, 10), decay=0.05)

    assert factor(0) == pytest.approx(1 / 8)
    assert factor(1) == pytest.approx((1 / 8 + 1) / 2)
    assert factor(2) == factor(5.99) == 1
    assert factor(6) == pytest.approx(0.05)
    assert factor(11.5) == pytest.approx(0.0025)


def test_cosine_ends_at_zero_and_is_half_in_the_middle():
    assert schedule.cosine(0, 10) == 1
    assert schedule.cosine(5, 10) == pytest.approx(0.5)
    assert schedule.cosine(10, 10) == pytest.approx(0)
