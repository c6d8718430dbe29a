"""Parts that several layouts use."""

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
    """One media file to write: its class, its path, and the numbers that its content depends on."""

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
    """Eleven characters like a YouTube id, and a start from 0 to 59 seconds."""
    identity = hashlib.sha256(" ".join(map(str, purpose)).encode()).digest()
    return base64.urlsafe_b64encode(identity[:9]).decode()[:11], identity[10] % 60


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to the disk without changing its line ends."""
    with open(path, "wb") as file:
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())
