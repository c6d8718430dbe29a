"""The contact sheet is drawn from the files of the corpora."""

import numpy as np
import pytest
from matplotlib import image

from iicl.data.synthetic.contact_sheet import contact_sheet
from iicl.data.synthetic.world import CLASSES, World
from iicl.data.synthetic.write import generate


def test_a_sheet_holds_a_row_for_every_class_of_every_corpus(tmp_path):
    world = World(width=16, height=16, num_frames=12)
    roots = [tmp_path / corpus for corpus in CLASSES]
    for corpus, root in zip(CLASSES, roots, strict=True):
        generate(corpus, root, num_items=2 * len(CLASSES[corpus]), world=world)
    contact_sheet(roots, tmp_path / "sheet.png")
    picture = image.imread(tmp_path / "sheet.png")[..., :3]
    strip_width = 12 * 2 * world.width
    items = picture[:, -2 * strip_width :]
    printed = (items.min(2) < 0.95).mean(1) > 0.8
    assert (printed[1:] & ~printed[:-1]).sum() == 20 + 24
    silent = (np.abs(items - 225 / 255).max(2) < 0.01).mean(1) > 0.8
    assert (silent[1:] & ~silent[:-1]).sum() == 8


def test_a_folder_without_a_corpus_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no complete generated corpus"):
        contact_sheet([tmp_path], tmp_path / "sheet.png")
    assert list(tmp_path.iterdir()) == []
