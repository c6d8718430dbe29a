"""What the methods share that see video alone, of items that are long enough for them."""

from dataclasses import replace

import pytest

from iicl import methods
from iicl.config import Clip
from iicl.data.draws import has_room
from iicl.pretraining import Pretrain, pretrain_phases
from iicl.work import items_trained_on
from tests.iicl.data.drawn_samples import LONG
from tests.iicl.methods.every_method import LENGTH

FRAMES = {"vcop": 3 * 16 + 2 * 8, "st_puzzle": 4 * 32, "speednet": 2 * 32}
"""Frames of an item that each needs by default, with clips of 32 frames."""


def planned(name: str, signal: str = "kept", **settings: object) -> Pretrain:
    method = {"name": name, "signal": signal}
    (phase,) = pretrain_phases(LENGTH, method=method, corpus="x", seed=0, **settings)
    return phase


@pytest.mark.parametrize("name", FRAMES)
def test_items_that_are_too_short_are_left_out(name: str) -> None:
    samples, clip = planned(name).method.samples("training"), Clip(num_frames=32, fps=25.0)
    item = replace(LONG, num_frames=FRAMES[name], fps=25.0)
    assert has_room(item, samples, clip)
    assert not has_room(replace(item, num_frames=FRAMES[name] - 1), samples, clip)


@pytest.mark.parametrize("name", FRAMES)
def test_what_concerns_sound_changes_no_run_and_silent_items_are_used(name: str) -> None:
    assert planned(name, silent_items="zero", pairing="shuffled") == planned(name)
    assert items_trained_on(planned(name)) == "1/train"


@pytest.mark.parametrize("name", FRAMES)
def test_the_control_without_a_signal_is_a_run_of_its_own(name: str) -> None:
    kept, destroyed = planned(name), planned(name, "destroyed")
    assert "signal" not in kept.method.model_dump()
    assert destroyed.method.model_dump()["signal"] == "destroyed"
    assert methods.settings_class(name).model_validate({"name": name}) == kept.method
