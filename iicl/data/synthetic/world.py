"""What happens in the world: classes of events, and the hidden causes drawn for every item.

An event is a motion and a sound driven by one hidden phase ``u(t) = rate * t + onset``: a ball
meets the floor, and thuds, whenever ``u`` is an integer. Size and pitch share a cause as well:
larger is lower. All else is nuisance, drawn independently of the class except for the appearance
bias :attr:`World.alpha`. Lengths are in half-heights of the image, origin at its centre, y
downwards.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from iicl.seeding import derive_seed

CorpusName = Literal["audioset", "ucf101"]
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
        second_event: probability that a pretraining item shows an event of another class as well
            and carries both labels.
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

    @property
    def seconds(self) -> float:
        """Duration of an item."""
        return self.num_frames / self.fps


@dataclass(frozen=True)
class EventClass:
    """A class of events; ``sound`` is None where the class is silent."""

    name: str
    motion: str
    sound: str | None
    rate: Range


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

CLASSES: dict[CorpusName, tuple[EventClass, ...]] = {
    "audioset": tuple(
        EventClass(f"{motion.capitalize()}, {sound}", motion, sound, rate)
        for motion, sound, rate in _PRETRAINING_PAIRS
    ),
    "ucf101": tuple(
        EventClass(f"{motion.capitalize()}{tempo}", motion, sound, rate)
        for motion in MOTIONS
        for tempo, rate, sound in zip(
            ("Slow", "Fast"), ((0.7, 1.2), (1.5, 2.5)), _DOWNSTREAM_SOUNDS[motion], strict=True
        )
    ),
}


@dataclass(frozen=True)
class Look:
    """How an object looks; ``hue`` is 0-1, ``size`` a half extent."""

    shape: str
    hue: float
    size: float


@dataclass(frozen=True)
class Event:
    """One event with its hidden causes; ``octave`` is its pitch relative to the sound's own."""

    motion: str
    sound: str | None
    look: Look
    rate: float
    onset: float
    amplitude: float
    direction: int
    x: float
    y: float
    octave: float


@dataclass(frozen=True)
class Background:
    """Plane waves over a plain colour: arrays of shape (waves,), ``kx`` and ``ky`` in radians."""

    hue: float
    value: float
    kx: np.ndarray
    ky: np.ndarray
    phase: np.ndarray
    weight: np.ndarray


@dataclass(frozen=True)
class Distractor:
    """A soundless object that drifts through the picture at ``(vx, vy)`` per second."""

    look: Look
    x: float
    y: float
    vx: float
    vy: float


@dataclass(frozen=True)
class Camera:
    """Offset of the picture: a constant velocity and a sinusoidal wobble."""

    vx: float
    vy: float
    wobble: float
    wobble_rate: float
    wobble_phase: float


@dataclass(frozen=True)
class Hearing:
    """Nuisances of the sound; ``extra`` sounds off screen at ``extra_db`` against the event."""

    extra: Event | None
    extra_db: float
    snr_db: float
    noise_slope: float
    tone_hz: float
    tone_level: float
    gain_db: float


@dataclass(frozen=True)
class Scene:
    """All that is to be seen and heard in one item."""

    events: tuple[Event, ...]
    distractors: tuple[Distractor, ...]
    background: Background
    camera: Camera
    hearing: Hearing


def generator(seed: int, *purpose: str | int) -> np.random.Generator:
    """The random stream of one purpose, the same on every machine."""
    return np.random.Generator(np.random.PCG64(derive_seed(seed, *purpose)))


def draw_scene(
    world: World, corpus: CorpusName, class_index: int, seed: int, group: int, item: int
) -> Scene:
    """Draw one item of a class.

    Args:
        world: the difficulty.
        corpus: whose classes and appearance priors.
        class_index: position in ``CLASSES[corpus]``.
        seed: of the corpus.
        group: items of one class and group share object, background, camera and microphone.
        item: number of the item within its class and group.
    """
    shared = generator(seed, corpus, "group", class_index, group)
    own = generator(seed, corpus, "item", class_index, group, item)
    look = _draw_look(world, corpus, class_index, shared)
    background = _draw_background(world, corpus, class_index, shared)
    camera = _draw_camera(world, shared)
    hearing = _draw_hearing(world, shared, own)
    events = [_draw_event(world, corpus, class_index, look, own)]
    if corpus == "audioset" and own.random() < world.second_event:
        step = int(own.integers(1, len(CLASSES[corpus])))
        other = (class_index + step) % len(CLASSES[corpus])
        other_look = _draw_look(world, corpus, other, own)
        events.append(_draw_event(world, corpus, other, other_look, own))
    distractors = tuple(
        _draw_distractor(world, own) for _ in range(int(own.integers(0, world.max_distractors + 1)))
    )
    return Scene(tuple(events), distractors, background, camera, hearing)


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _prior(corpus: CorpusName, class_index: int) -> np.random.Generator:
    # Not a function of the corpus's seed: two corpora of other seeds are of the same world.
    return generator(0, "prior", corpus, class_index)


def _draw_look(
    world: World, corpus: CorpusName, class_index: int, rng: np.random.Generator
) -> Look:
    prior = _prior(corpus, class_index)
    shape, hue = int(prior.integers(len(SHAPES))), float(prior.random())
    if rng.random() >= world.alpha:
        shape = int(rng.integers(len(SHAPES)))
    if rng.random() >= world.alpha:
        hue = float(rng.random())
    hue = (hue + float(rng.normal(0.0, 0.03))) % 1.0
    return Look(SHAPES[shape], hue, float(rng.uniform(*world.size)))


def _draw_background(
    world: World, corpus: CorpusName, class_index: int, rng: np.random.Generator
) -> Background:
    prior = _prior(corpus, class_index)
    hue = float(prior.random(3)[2])
    if rng.random() >= world.alpha:
        hue = float(rng.random())
    num_waves = 6
    angle = rng.uniform(0.0, np.pi, num_waves)
    octave = np.repeat([1.0, 2.0], num_waves // 2)  # half-height units: coarse and fine
    frequency = octave * rng.uniform(2.5, 5.0, num_waves)
    return Background(
        hue=(hue + float(rng.normal(0.0, 0.03))) % 1.0,
        value=float(rng.uniform(0.2, 0.45)),
        kx=frequency * np.cos(angle),
        ky=frequency * np.sin(angle),
        phase=rng.uniform(0.0, 2 * np.pi, num_waves),
        weight=world.texture / (np.sqrt(num_waves) * octave),
    )


def _draw_camera(world: World, rng: np.random.Generator) -> Camera:
    angle = rng.uniform(0.0, 2 * np.pi)
    speed = world.drift * rng.random()
    return Camera(
        vx=float(speed * np.cos(angle)),
        vy=float(speed * np.sin(angle)),
        wobble=float(world.drift * 0.25 * rng.random()),
        wobble_rate=float(rng.uniform(0.3, 1.0)),
        wobble_phase=float(rng.random()),
    )


def _draw_hearing(world: World, shared: np.random.Generator, own: np.random.Generator) -> Hearing:
    extra = None
    if own.random() < world.overlap:
        sound = SOUNDS[int(own.integers(len(SOUNDS)))]
        look = Look("disc", 0.0, float(own.uniform(*world.size)))
        octave = float(own.uniform(-0.5, 0.5)) * world.pitch_shift
        extra = _make_event(world, "bounce", sound, look, ANY, octave, own)
    return Hearing(
        extra=extra,
        extra_db=float(own.uniform(*world.overlap_db)),
        snr_db=float(own.uniform(*world.snr_db)),
        noise_slope=float(shared.uniform(0.0, 1.5)),
        tone_hz=_log_uniform(shared, 80.0, 3000.0),
        tone_level=0.3 * float(shared.random() < 0.3),
        gain_db=float(own.uniform(-8.0, 8.0)),
    )


def _draw_event(
    world: World,
    corpus: CorpusName,
    class_index: int,
    look: Look,
    rng: np.random.Generator,
) -> Event:
    kind = CLASSES[corpus][class_index]
    shift = float(_prior(corpus, class_index).random(4)[3] - 0.5) * world.pitch_shift
    return _make_event(world, kind.motion, kind.sound, look, kind.rate, shift, rng)


def _make_event(
    world: World,
    motion: str,
    sound: str | None,
    look: Look,
    rate: Range,
    shift: float,
    rng: np.random.Generator,
) -> Event:
    middle = np.sqrt(world.size[0] * world.size[1])
    return Event(
        motion=motion,
        sound=sound,
        look=look,
        rate=_log_uniform(rng, *rate),
        onset=float(rng.random()),
        amplitude=float(rng.uniform(0.7, 1.0)),
        direction=1 if rng.random() < 0.5 else -1,
        x=float(rng.uniform(-0.25, 0.25)),
        y=float(rng.uniform(-0.25, 0.25)),
        octave=float(shift - 1.5 * np.log2(look.size / middle) + rng.normal(0.0, 0.05)),
    )


def _draw_distractor(world: World, rng: np.random.Generator) -> Distractor:
    look = Look(
        SHAPES[int(rng.integers(len(SHAPES)))],
        float(rng.random()),
        0.6 * float(rng.uniform(*world.size)),
    )
    x, y = rng.uniform(-1.0, 1.0, 2)
    vx, vy = rng.uniform(-0.4, 0.4, 2)
    return Distractor(look, float(x), float(y), float(vx), float(vy))
