"""Draws the hidden causes of one item at random; ``video.py`` and ``sound.py`` render them.

Lengths are in units of half the image height. The origin is the centre of the image; y points
downwards.
"""

from dataclasses import dataclass

import numpy as np

from iicl.data.synthetic.world import ANY, CLASSES, SHAPES, SOUNDS, CorpusName, Range, World
from iicl.seeding import derive_seed


@dataclass(frozen=True)
class Look:
    """How an object looks; ``hue`` is from 0 to 1, ``size`` is half its extent."""

    shape: str
    hue: float
    size: float


@dataclass(frozen=True)
class Event:
    """One event with its hidden causes.

    ``octave`` is the pitch of its sound, in octaves above the usual pitch of that sound.
    """

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
    """A plain colour with a sum of plane waves.

    Arrays have the shape (waves,); ``kx`` and ``ky`` are in radians per half height.
    """

    hue: float
    value: float
    kx: np.ndarray
    ky: np.ndarray
    phase: np.ndarray
    weight: np.ndarray


@dataclass(frozen=True)
class Distractor:
    """An object without sound that moves at the velocity ``(vx, vy)`` per second."""

    look: Look
    x: float
    y: float
    vx: float
    vy: float


@dataclass(frozen=True)
class Camera:
    """Motion of the camera: a constant velocity and a sinusoidal wobble."""

    vx: float
    vy: float
    wobble: float
    wobble_rate: float
    wobble_phase: float


@dataclass(frozen=True)
class Hearing:
    """Nuisances of the sound.

    ``extra`` is an event that is heard but not seen; its level is ``extra_db`` above that of the
    visible event.
    """

    extra: Event | None
    extra_db: float
    snr_db: float
    noise_slope: float
    tone_hz: float
    tone_level: float
    gain_db: float


@dataclass(frozen=True)
class Scene:
    """Everything that can be seen and heard in one item."""

    events: tuple[Event, ...]
    distractors: tuple[Distractor, ...]
    background: Background
    camera: Camera
    hearing: Hearing


def generator(seed: int, *purpose: str | int) -> np.random.Generator:
    """The random generator for one purpose, the same on every machine."""
    return np.random.Generator(np.random.PCG64(derive_seed(seed, *purpose)))


def draw_scene(
    world: World, corpus: CorpusName, class_index: int, seed: int, group: int, item: int
) -> Scene:
    """Draw one item of a class.

    Args:
        world: sizes and difficulty.
        corpus: name of the corpus, which has its own classes and appearance priors.
        class_index: position in ``CLASSES[corpus]``.
        seed: seed of the corpus; the appearance priors of its classes are drawn from it too.
        group: number of the group; items of one class and group share object, background, camera
            and microphone.
        item: number of the item within its class and group.
    """
    shared = generator(seed, corpus, "group", class_index, group)
    own = generator(seed, corpus, "item", class_index, group, item)
    look = _draw_look(world, corpus, class_index, seed, shared)
    background = _draw_background(world, corpus, class_index, seed, shared)
    camera = _draw_camera(world, shared)
    hearing = _draw_hearing(world, shared, own)
    events = [_draw_event(world, corpus, class_index, seed, look, own)]
    if corpus == "audioset" and own.random() < world.second_event:
        step = int(own.integers(1, len(CLASSES[corpus])))
        other = (class_index + step) % len(CLASSES[corpus])
        other_look = _draw_look(world, corpus, other, seed, own)
        events.append(_draw_event(world, corpus, other, seed, other_look, own))
    distractors = tuple(
        _draw_distractor(world, own) for _ in range(int(own.integers(0, world.max_distractors + 1)))
    )
    return Scene(tuple(events), distractors, background, camera, hearing)


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _prior(corpus: CorpusName, class_index: int, seed: int) -> np.random.Generator:
    """Draws what is typical of a class: its shape, hue, background hue and shift of pitch."""
    return generator(seed, "prior", corpus, class_index)


def _draw_look(
    world: World, corpus: CorpusName, class_index: int, seed: int, rng: np.random.Generator
) -> Look:
    prior = _prior(corpus, class_index, seed)
    shape, hue = int(prior.integers(len(SHAPES))), float(prior.random())
    if rng.random() >= world.alpha:
        shape = int(rng.integers(len(SHAPES)))
    if rng.random() >= world.alpha:
        hue = float(rng.random())
    hue = (hue + float(rng.normal(0.0, 0.03))) % 1.0
    return Look(SHAPES[shape], hue, float(rng.uniform(*world.size)))


def _draw_background(
    world: World, corpus: CorpusName, class_index: int, seed: int, rng: np.random.Generator
) -> Background:
    prior = _prior(corpus, class_index, seed)
    hue = float(prior.random(3)[2])
    if rng.random() >= world.alpha:
        hue = float(rng.random())
    num_waves = 6
    angle = rng.uniform(0.0, np.pi, num_waves)
    octave = np.repeat([1.0, 2.0], num_waves // 2)  # coarse and fine waves
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
        extra = draw_unseen(world, sound, own)
    return Hearing(
        extra=extra,
        extra_db=float(own.uniform(*world.overlap_db)),
        snr_db=float(own.uniform(*world.snr_db)),
        noise_slope=float(shared.uniform(0.0, 1.5)),
        tone_hz=_log_uniform(shared, 80.0, 3000.0),
        tone_level=0.3 * float(shared.random() < 0.3),
        gain_db=float(own.uniform(-8.0, 8.0)),
    )


def draw_unseen(world: World, sound: str, rng: np.random.Generator) -> Event:
    """Draw an event that is heard but not seen, with any rate and pitch."""
    look = Look("disc", 0.0, float(rng.uniform(*world.size)))
    octave = float(rng.uniform(-0.5, 0.5)) * world.pitch_shift
    return _make_event(world, "bounce", sound, look, ANY, octave, rng)


def _draw_event(
    world: World,
    corpus: CorpusName,
    class_index: int,
    seed: int,
    look: Look,
    rng: np.random.Generator,
) -> Event:
    kind = CLASSES[corpus][class_index]
    shift = float(_prior(corpus, class_index, seed).random(4)[3] - 0.5) * world.pitch_shift
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
