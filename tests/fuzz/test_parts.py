"""A part of every clip holds the flash and the click where the whole clip has them."""

from pathlib import Path

import numpy as np
import pytest

from iicl.config import Preparation
from iicl.data.media.transcode import Transcoded, transcode
from tests.fuzz import clips
from tests.fuzz.reading import SAMPLE_RATE, Picture, Sound
from tests.iicl.data.media.decoding import decode

PREPARATION = Preparation(short_side=32)
START, END = 0.5, 1.5


def events(result: Transcoded) -> list[float]:
    """Seconds of the first flash, if there is a picture, and of the first click, if any."""
    seconds = []
    if result.packets:
        luma = decode(result.packets).mean(axis=(1, 2, 3))
        seconds += Picture(np.arange(len(luma)) / result.fps, luma).flashes()[:1].tolist()
    if result.samples is not None:
        times = np.arange(len(result.samples)) / SAMPLE_RATE
        seconds += Sound(result.samples[:, None] / 32768, times).clicks()[:1].tolist()
    return seconds


@pytest.mark.parametrize("clip", clips.CLIPS, ids=lambda clip: clip.name)
def test_a_part_is_in_step_with_the_whole(clip: clips.Clip, tmp_path: Path) -> None:
    path = tmp_path / clip.name
    clips.write(clip, path)
    whole = events(transcode(path, PREPARATION))
    assert len(whole) >= 1
    part = transcode(path, PREPARATION, START, END)
    assert events(part) == pytest.approx([time - START for time in whole], abs=0.06)
    if part.packets:
        assert len(part.packets) / part.fps == pytest.approx(END - START, abs=0.09)
