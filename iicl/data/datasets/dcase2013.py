"""DCASE 2013 scenes: 200 recordings of 10 acoustic scenes in London, 30 s, stereo, 44.1 kHz.

Source: Stowell et al., IEEE Transactions on Multimedia 17(10), 2015;
https://archive.org/details/dcase2013_scene_classification and, for the test set, the same address
with ``_testset``; the terms are stated there. Papers on audio-visual learning call it "DCASE2014".

Layout: ``scenes_stereo/`` (development set: "train" of fold 1) and ``scenes_stereo_testset/``
("test") with wav files named ``<scene><number>.wav``, for example ``openairmarket03.wav``. Hidden
files and files with other suffixes are no recordings. There is no list file, the folders are the
list; therefore only the counts show that a file is lost. Every recording is a group of its own.
Known losses: none; there is no picture.
"""

import re
from pathlib import Path

from iicl.data.folders import visible
from iicl.data.manifest import Listing, SourceItem

NUM_OFFICIAL = {"1/train": 100, "1/test": 100}
MARKERS = ("scenes_stereo", "scenes_stereo_testset")

_STEM = re.compile(r"(?P<label>[a-zA-Z]+)\d+")


def discover(root: Path) -> Listing:
    """Lists the recordings of both folders.

    Args:
        root: folder that holds ``scenes_stereo`` and ``scenes_stereo_testset``.

    Raises:
        ValueError: if one of them is missing or holds no recording, or a name has no label.
    """
    items = []
    num_official = {}
    for marker, split in zip(MARKERS, ("train", "test"), strict=True):
        folder = root / marker
        if not folder.is_dir():
            raise ValueError(f"DCASE 2013 needs the folder {folder}")
        files = [file for file in visible(folder) if file.suffix.lower() == ".wav"]
        if not files:
            raise ValueError(f"no wav file in {folder}")
        num_official[f"1/{split}"] = len(files)
        for file in files:
            match = _STEM.fullmatch(file.stem)
            if match is None:
                raise ValueError(f"{file} is not named '<scene><number>.wav'")
            name = f"{marker}/{file.name}"
            items.append(
                SourceItem(
                    id=name, path=file, labels=(match["label"],), splits={"1": split}, group=name
                )
            )
    return Listing(sorted(items, key=lambda item: item.id), num_official)
