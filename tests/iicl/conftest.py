from pathlib import Path

import pytest

from iicl import config
from iicl.data.prepare import prepare
from iicl.data.synthetic.write import generate
from iicl.encoders.choice import Encoders

CLIP = config.Clip(num_frames=8, fps=8.0, size=32)
ENCODERS = Encoders(video_width=4, video_depth=1, audio_width=4, audio_depth=1)


@pytest.fixture(scope="session")
def corpora(tmp_path_factory) -> dict[str, Path]:
    """Two small generated corpora, prepared."""
    root = tmp_path_factory.mktemp("corpora")
    for name, num_items in (("audioset", 40), ("ucf101", 72)):
        generate(name, root / "source" / name, num_items=num_items, seed=1)
        prepare(
            name,
            root / "source" / name,
            root / name,
            corpus=name,
            preparation=config.Preparation(short_side=32, max_fps=8.0),
            num_workers=1,
        )
    return {name: root / name for name in ("audioset", "ucf101")}


@pytest.fixture
def settings() -> dict:
    """Fields of a pretraining that takes a second."""
    return {
        "method": {"name": "iicl", "clusters": 6, "instance_dim": 32},
        "corpus": "audioset",
        "clip": CLIP,
        "encoders": ENCODERS,
        "optimisation": {"batch_size": 12, "chunk_size": 6},
        "precision": "float32",
        "seed": 5,
    }
