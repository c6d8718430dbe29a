"""The contact sheet is drawn from the files of the corpora."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib import image

from iicl.data.synthetic.contact_sheet import contact_sheet
from iicl.data.synthetic.layouts import LAYOUTS
from iicl.data.synthetic.world import EventClass, World
from iicl.data.synthetic.write import generate

WORLD = World(width=16, height=16, num_frames=8, scene_seconds=1.0, silent=0.0)


def num_bands(rows: np.ndarray) -> int:
    """Runs of rows that are true."""
    return int((rows[1:] & ~rows[:-1]).sum() + rows[0])


@pytest.fixture(scope="module")
def roots(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("corpora")
    for corpus, kind in LAYOUTS.items():
        num_items = max(2, kind.LEAST) * len(kind.KINDS)
        generate(corpus, folder / corpus, num_items=num_items, world=WORLD)
    return {corpus: folder / corpus for corpus in LAYOUTS}


@pytest.mark.parametrize(
    "corpora", [["audioset", "ucf101"], ["kinetics400", "hmdb51", "dcase2013"]], ids="+".join
)
def test_a_sheet_holds_a_row_for_every_class_and_grey_for_silence(corpora, roots, tmp_path):
    contact_sheet([roots[corpus] for corpus in corpora], tmp_path / "sheet.png")
    picture = image.imread(tmp_path / "sheet.png")[..., :3]
    kinds = [kind for corpus in corpora for kind in LAYOUTS[corpus].KINDS]
    silent = sum(isinstance(kind, EventClass) and kind.sound is None for kind in kinds)
    film = picture[:, 230 : 230 + 8 * 2 * WORLD.width]
    assert num_bands((film.min(2) < 0.95).mean(1) > 0.8) == len(kinds)
    grey = (np.ptp(film, axis=2) < 0.02) & (film.mean(2) > 0.8) & (film.mean(2) < 0.95)
    assert num_bands(grey.mean(1) > 0.8) == silent


def test_the_bytes_are_always_the_same(roots, tmp_path):
    for name in ("one.png", "two.png"):
        contact_sheet([roots["hmdb51"]], tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_a_sheet_of_24_classes_is_small(tmp_path):
    generate("ucf101", tmp_path / "ucf101", num_items=48)
    contact_sheet([tmp_path / "ucf101"], tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").stat().st_size < 600_000


def test_a_folder_without_a_corpus_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no complete generated corpus"):
        contact_sheet([tmp_path], tmp_path / "sheet.png")
    assert list(tmp_path.iterdir()) == []
