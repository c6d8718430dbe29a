"""What several layouts are made of."""

import base64
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from iicl.data.synthetic.media import Media
from iicl.data.synthetic.scene import draw_scene, generator
from iicl.data.synthetic.sound import render_sound
from iicl.data.synthetic.video import render_video
from iicl.data.synthetic.world import CorpusName, World


@dataclass(frozen=True)
class Item:
    """One media file to be: its class, place in the layout, and numbers that seed it."""

    class_index: int
    group: int
    number: int
    path: str


def render_clip(corpus: CorpusName, world: World, seed: int, item: Item) -> Media:
    """Draw and render the scene of an item with pictures."""
    key = (item.class_index, item.group, item.number)
    scene = draw_scene(world, corpus, item.class_index, seed, item.group, item.number)
    planes = render_video(world, scene, generator(seed, "pixels", corpus, *key))
    samples = render_sound(world, scene, generator(seed, "noise", corpus, *key))
    return Media(planes, samples, world.fps, world.sample_rate)


def youtube_id(*purpose: str | int) -> tuple[str, int]:
    """Eleven characters as YouTube's, and a start within a minute in seconds."""
    identity = hashlib.sha256(" ".join(map(str, purpose)).encode()).digest()
    return base64.urlsafe_b64encode(identity[:9]).decode()[:11], identity[10] % 60


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as it is, line ends included, through to the disk."""
    with open(path, "wb") as file:
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())
