"""What the world consists of: its difficulty, and the classes of its corpora.

An event is a motion and a sound driven by one hidden phase ``u(t) = rate * t + onset``: a ball
meets the floor, and thuds, whenever ``u`` is an integer. Size and pitch share a cause as well:
larger is lower. All else is nuisance, drawn independently of the class except for the appearance
bias :attr:`World.alpha`.
"""

from dataclasses import dataclass
from typing import Literal

CorpusName = Literal["audioset", "kinetics400", "ucf101", "hmdb51", "dcase2013"]
Range = tuple[float, float]

MOTIONS = (
    "bounce", "pendulum", "spin", "zigzag", "pulse", "flicker",
    "orbit", "slide", "shake", "collide", "rain", "loom",
)  # fmt: skip
SOUNDS = ("thud", "ping", "tick", "hum", "whistle", "buzz", "whoosh", "chirp")
SHAPES = ("disc", "square", "triangle", "ring", "cross")

SLOW: Range = (0.7, 1.4)  # events per second
FAST: Range = (1.3, 2.5)
ANY: Range = (0.7, 2.5)


@dataclass(frozen=True)
class World:
    """How large, how long and how difficult the world is; the defaults are the calibrated ones.

    Attributes:
        width: pixels, even.
        height: pixels, even.
        fps: frames per second.
        num_frames: frames of an item; its sound lasts as long.
        sample_rate: audio samples per second.
        size: half extent of an object in half-heights.
        contrast: 0-1, opacity of objects over the background.
        max_distractors: drifting soundless objects per item, uniform from 0 to this.
        drift: camera speed and wobble in half-heights per second.
        pixel_noise: standard deviation of luma noise, 1 = black to white.
        texture: 0-1, amplitude of the background's texture.
        snr_db: event over coloured noise, decibels.
        overlap: probability of a second sound without visible cause.
        overlap_db: level of that sound against the event's, decibels.
        alpha: appearance bias: probability that an item's hue, shape and background hue (each) are
            those of its class; a class of the pretraining and of the downstream corpus differ.
        pitch_shift: octaves over which the classes' own shifts of pitch spread.
        second_event: probability that an item of audioset shows an event of another class as well
            and carries both labels.
        silent: probability that an item of kinetics400 has no sound, whatever its class.
        scene_seconds: duration of a recording of dcase2013, and its difficulty:
        scene_snr_db: burst of a scene's sounds over the recording's coloured noise, decibels.
        scene_overlap: bursts of any sound, expected per burst of the scene's own sounds.
    """

    width: int = 40
    height: int = 32
    fps: int = 8
    num_frames: int = 24
    sample_rate: int = 16_000
    size: Range = (0.30, 0.48)
    contrast: float = 1.0
    max_distractors: int = 0
    drift: float = 0.0
    pixel_noise: float = 0.03
    texture: float = 0.25
    snr_db: Range = (0.0, 6.0)
    overlap: float = 0.5
    overlap_db: Range = (-6.0, 0.0)
    alpha: float = 0.6
    pitch_shift: float = 1.2
    second_event: float = 0.03
    silent: float = 0.03
    scene_seconds: float = 30.0
    scene_snr_db: Range = (-3.0, 6.0)
    scene_overlap: float = 0.5

    @property
    def seconds(self) -> float:
        """Duration of an item with pictures."""
        return self.num_frames / self.fps


@dataclass(frozen=True)
class EventClass:
    """A class of events; ``sound`` is None where the class is silent."""

    name: str
    motion: str
    sound: str | None
    rate: Range

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a caption says besides the name."""
        return f"sound: {self.sound or 'none'}", f"{self.rate[0]:g}-{self.rate[1]:g} per second"


@dataclass(frozen=True)
class SceneClass:
    """A class of acoustic scenes: bursts per minute of each sound, over noise of power 1/f^slope.

    Every sound belongs to three or four scenes and no two scenes have the same three sounds.
    """

    name: str
    bursts: dict[str, float]
    noise_slope: float

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a caption says besides the name."""
        return tuple(f"{sound}: {rate:g} per minute" for sound, rate in self.bursts.items())


Kind = EventClass | SceneClass


# Every sound comes with two or three motions, eight of the motions come with two sounds.
_PRETRAINING_PAIRS = (
    ("bounce", "thud", SLOW), ("bounce", "ping", FAST), ("pendulum", "tick", SLOW),
    ("pendulum", "hum", FAST), ("spin", "hum", SLOW), ("spin", "whistle", FAST),
    ("zigzag", "whistle", SLOW), ("zigzag", "buzz", FAST), ("orbit", "whoosh", SLOW),
    ("orbit", "chirp", FAST), ("slide", "whoosh", FAST), ("slide", "tick", SLOW),
    ("collide", "ping", SLOW), ("collide", "thud", FAST), ("flicker", "buzz", SLOW),
    ("flicker", "tick", FAST), ("pulse", "hum", ANY), ("shake", "buzz", ANY),
    ("rain", "ping", ANY), ("loom", "chirp", ANY),
)  # fmt: skip

# Sounds of (slow, fast). Heard in pretraining: the first four. Never heard with this motion there:
# the next four. The last four are silent, as half the classes of UCF101 are.
_DOWNSTREAM_SOUNDS: dict[str, tuple[str | None, str | None]] = {
    "bounce": ("thud", "ping"), "orbit": ("whoosh", "chirp"), "collide": ("ping", "thud"),
    "rain": ("ping", "ping"),
    "spin": ("buzz", "tick"), "slide": ("hum", "whistle"), "pulse": ("chirp", "whoosh"),
    "zigzag": ("thud", "chirp"),
    "pendulum": (None, None), "flicker": (None, None), "shake": (None, None), "loom": (None, None),
}  # fmt: skip

# As in UCF101, half the motions have a sound; three of these are new to their motions. Whether the
# real HMDB51 has sound is known to nobody who published on it.
_HMDB51_SOUNDS = {
    "bounce": "thud", "orbit": "whoosh", "collide": "ping",
    "spin": "buzz", "slide": "hum", "zigzag": "thud",
}  # fmt: skip

# The classes of events of the corpora that have pictures.
CLASSES: dict[CorpusName, tuple[EventClass, ...]] = {
    "audioset": tuple(
        EventClass(f"{motion.capitalize()}, {sound}", motion, sound, rate)
        for motion, sound, rate in _PRETRAINING_PAIRS
    ),
    "kinetics400": tuple(
        EventClass(f"{motion} with {sound}", motion, sound, rate)
        for motion, sound, rate in _PRETRAINING_PAIRS
    ),
    "ucf101": tuple(
        EventClass(f"{motion.capitalize()}{tempo}", motion, sound, rate)
        for motion in MOTIONS
        for tempo, rate, sound in zip(
            ("Slow", "Fast"), ((0.7, 1.2), (1.5, 2.5)), _DOWNSTREAM_SOUNDS[motion], strict=True
        )
    ),
    "hmdb51": tuple(
        EventClass(motion, motion, _HMDB51_SOUNDS.get(motion), ANY) for motion in MOTIONS
    ),
}

_SCENES = (
    ("foundry", ("thud", "buzz", "ping"), 0.9), ("belfry", ("ping", "hum", "chirp"), 0.7),
    ("workshop", ("tick", "thud", "buzz"), 0.8), ("aviary", ("chirp", "whistle", "whoosh"), 0.5),
    ("station", ("whistle", "hum", "thud"), 1.0), ("harbour", ("whoosh", "whistle", "ping"), 1.1),
    ("arcade", ("buzz", "chirp", "tick"), 0.6), ("mill", ("hum", "whoosh", "tick"), 1.0),
    ("office", ("tick", "ping", "whistle"), 0.6), ("forest", ("whoosh", "chirp", "thud"), 0.8),
)  # fmt: skip

SCENES = tuple(
    SceneClass(name, dict(zip(sounds, (20.0, 10.0, 5.0), strict=True)), noise_slope)
    for name, sounds, noise_slope in _SCENES
)
