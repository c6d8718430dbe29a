"""The settings of the generated world, and the classes of its corpora.

An event is a motion and a sound that one hidden phase ``u(t) = rate * t + onset`` controls: a ball
hits the floor, and makes its sound, whenever ``u`` is an integer. Size and pitch have a common
cause, too: larger objects sound lower. Everything else is a nuisance. Nuisances are drawn
independently of the class, except for the appearance bias :attr:`World.alpha`.
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
    """Sizes, durations and difficulty of the world; the defaults are calibrated.

    Attributes:
        width: width of the pictures in pixels, even.
        height: height of the pictures in pixels, even.
        fps: frames per second.
        num_frames: number of frames of an item; its sound has the same length.
        sample_rate: audio samples per second.
        size: range of half the extent of an object, in half-heights.
        contrast: opacity of objects over the background, 0-1.
        max_distractors: greatest number of drifting soundless objects per item; their number is
            uniform from 0 to this.
        drift: speed and wobble of the camera, in half-heights per second.
        pixel_noise: standard deviation of luma noise; 1 is the step from black to white.
        texture: amplitude of the background's texture, 0-1.
        snr_db: range of the level of the event above the coloured noise, in decibels.
        overlap: probability of a second sound without a visible cause.
        overlap_db: range of the level of that sound above the event's, in decibels.
        alpha: appearance bias: probability, for each of hue, shape and background hue, that an item
            has that of its class. A class has another appearance in another corpus, and in a corpus
            of another seed.
        pitch_shift: the classes' own shifts of pitch spread over so many octaves.
        second_event: probability that an item of audioset shows an event of another class as well
            and has both labels.
        silent: probability that an item of kinetics400 has no sound, whatever its class.
        scene_seconds: duration of a recording of dcase2013.
        scene_snr_db: range of the level of a burst above the noise of such a recording, in
            decibels.
        scene_overlap: expected number of bursts of any sound for each burst of the scene's sounds.
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
    """A class of events; ``sound`` is None if the class is silent."""

    name: str
    motion: str
    sound: str | None
    rate: Range

    @property
    def remarks(self) -> tuple[str, ...]:
        """Lines of a caption below the name."""
        return f"sound: {self.sound or 'none'}", f"{self.rate[0]:g}-{self.rate[1]:g} per second"


@dataclass(frozen=True)
class SceneClass:
    """A class of acoustic scenes.

    ``bursts`` is the number of bursts per minute of each sound; the noise has the power
    1/f^``noise_slope``. Every sound belongs to three or four scenes, and no two scenes have the
    same three sounds.
    """

    name: str
    bursts: dict[str, float]
    noise_slope: float

    @property
    def remarks(self) -> tuple[str, ...]:
        """Lines of a caption below the name."""
        return tuple(f"{sound}: {rate:g} per minute" for sound, rate in self.bursts.items())


Kind = EventClass | SceneClass


# Every sound belongs to two or three motions; eight of the motions have two sounds.
_PRETRAINING_PAIRS = (
    ("bounce", "thud", SLOW), ("bounce", "ping", FAST), ("pendulum", "tick", SLOW),
    ("pendulum", "hum", FAST), ("spin", "hum", SLOW), ("spin", "whistle", FAST),
    ("zigzag", "whistle", SLOW), ("zigzag", "buzz", FAST), ("orbit", "whoosh", SLOW),
    ("orbit", "chirp", FAST), ("slide", "whoosh", FAST), ("slide", "tick", SLOW),
    ("collide", "ping", SLOW), ("collide", "thud", FAST), ("flicker", "buzz", SLOW),
    ("flicker", "tick", FAST), ("pulse", "hum", ANY), ("shake", "buzz", ANY),
    ("rain", "ping", ANY), ("loom", "chirp", ANY),
)  # fmt: skip

# Motion -> its sounds if (slow, fast). The first four motions have the same sounds in pretraining,
# the next four have other sounds there. The last four are silent, like half the classes of UCF101.
_DOWNSTREAM_SOUNDS: dict[str, tuple[str | None, str | None]] = {
    "bounce": ("thud", "ping"), "orbit": ("whoosh", "chirp"), "collide": ("ping", "thud"),
    "rain": ("ping", "ping"),
    "spin": ("buzz", "tick"), "slide": ("hum", "whistle"), "pulse": ("chirp", "whoosh"),
    "zigzag": ("thud", "chirp"),
    "pendulum": (None, None), "flicker": (None, None), "shake": (None, None), "loom": (None, None),
}  # fmt: skip

# As in UCF101, half the motions have a sound; three of these do not occur with their motion in
# pretraining. No publication says whether the real HMDB51 has sound.
_HMDB51_SOUNDS = {
    "bounce": "thud", "orbit": "whoosh", "collide": "ping",
    "spin": "buzz", "slide": "hum", "zigzag": "thud",
}  # fmt: skip

# The classes of the corpora with pictures.
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
