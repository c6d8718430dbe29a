"""A clip with a flash and a click."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.iicl.data.media.odd_clips import (
    click,
    flash,
)


@pytest.fixture(scope="module")
def clip(write_clip: Callable, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("odd") / "clip.mkv"
    return write_clip(path, seconds=4.0, image=flash, sound=click)
