"""What a pretext can learn in the generated world, before anything is trained.

All of it is about the event: its rate (events per second) and its phase ``u``. Other cues, such as
the fixed swing of ``shake``, are not counted.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import permutations
from typing import Any, get_args

import numpy as np

from iicl.data.synthetic.scene import draw_scene, generator
from iicl.data.synthetic.video import render_video, tracks
from iicl.data.synthetic.world import CLASSES, MOTIONS, CorpusName, EventClass, World

NOISES = (0.02, 0.05, 0.1, 0.2)  # errors of a reading of the phase, in periods
NEAR = 0.1  # of a period: a shift that ends so near to a whole period counts as aligned


def accuracy_of_speed(classes: Sequence[EventClass], speed: float = 2.0) -> float:
    """Share of clips whose speed, 1 or ``speed``, is told right from the apparent rate alone.

    The rate of a class is log-uniform in its range, and each class and speed is equally likely. So
    the best observer is right in a share of ½ ∫ max(p, q), where p and q are the densities of the
    logarithm of the apparent rate at the two speeds.

    Args:
        classes: the classes from which the item is drawn.
        speed: of the fast clips, above 1.
    """
    ranges = np.log([kind.rate for kind in classes])  # (classes, 2)
    both = [ranges, ranges + np.log(speed)]
    edges = np.unique(np.concatenate(both))
    middles = (edges[1:] + edges[:-1]) / 2
    densities = [
        np.mean(
            [((low < middles) & (middles < high)) / (high - low) for low, high in shifted], axis=0
        )
        for shifted in both
    ]
    return float((np.maximum(*densities) * np.diff(edges)).sum() / 2)


def accuracy_of_speed_by_motion(classes: Sequence[EventClass], speed: float = 2.0) -> float:
    """The same for an observer who knows the motion, too."""
    of_motion = [[kind for kind in classes if kind.motion == own.motion] for own in classes]
    return float(np.mean([accuracy_of_speed(kinds, speed) for kinds in of_motion]))


def has_arrow_of_time(motion: str) -> bool:
    """Whether the motion played backwards is none that the world can draw.

    Played backwards, a motion without an arrow is itself at another onset, in one of the two
    directions.
    """
    (any_event,) = draw_scene(World(), "hmdb51", 0, 0, 0, 0).events
    times = np.linspace(-3.0, 3.0, 97)[1:-1] + 0.0031  # on no corner of a path

    def path(direction: int, at: np.ndarray) -> np.ndarray:
        event = replace(any_event, motion=motion, rate=1.0, onset=0.0, direction=direction)
        paths = np.stack(tracks(event, at))
        paths[:, 3] %= 2 * np.pi
        return paths[np.lexsort(paths[:, 0].T[::-1])]  # objects look alike: their order is nothing

    backwards = path(1, -times)
    later = np.arange(0, 12, 0.25)  # whole and half periods of every motion are among these
    return not any(
        np.allclose(backwards, path(direction, times + shift), atol=1e-6)
        for shift in later
        for direction in (1, -1)
    )


def classes_with_arrow(classes: Sequence[EventClass]) -> list[str]:
    """Names of the classes whose motion shows in which direction time runs."""
    arrows = {motion for motion in MOTIONS if has_arrow_of_time(motion)}
    return [kind.name for kind in classes if kind.motion in arrows]


def share_of_aligned_shifts(
    classes: Sequence[EventClass], item_seconds: float, window_seconds: float, num_draws: int
) -> float:
    """Share of shifts that end within a tenth of a period of alignment.

    A window lies anywhere in an item, and a second one anywhere in it that does not overlap the
    first.

    Args:
        classes: the classes from which the item is drawn.
        item_seconds: two windows or more.
        window_seconds: of each window.
        num_draws: of the simulation.
    """
    rng = np.random.default_rng(0)
    last = item_seconds - window_seconds
    first = rng.uniform(0, last, num_draws)
    before = np.maximum(first - window_seconds, 0)
    after = np.maximum(last - first - window_seconds, 0)
    place = rng.uniform(0, before + after)
    second = np.where(place < before, place, first + window_seconds + place - before)
    phase = draw_rates(classes, num_draws, rng) * (second - first)
    return float((np.abs(phase - np.round(phase)) < NEAR).mean())


def draw_rates(
    classes: Sequence[EventClass], num_draws: int, rng: np.random.Generator
) -> np.ndarray:
    """Rates of events of random classes: (num_draws,)."""
    low, high = np.log([kind.rate for kind in classes]).T
    chosen = rng.integers(len(classes), size=num_draws)
    return np.exp(rng.uniform(low[chosen], high[chosen]))


def accuracy_of_order(
    classes: Sequence[EventClass],
    starts: Sequence[float],
    clip_seconds: float,
    noise: float,
    num_draws: int,
) -> float:
    """Share of orders of clips that are told right from the event's phase alone.

    The observer reads the phase at the first and the last frame of each clip, with von Mises errors
    of concentration 1 / (2π noise)², and knows the distribution of the rate, of which it takes 400
    draws. See :func:`likelihoods_of_orders`.

    Args:
        classes: the classes from which the item is drawn.
        starts: begin of each clip in seconds, in their true order.
        clip_seconds: time from the first to the last frame of a clip.
        noise: standard deviation of a reading, in periods; 0.02 or more.
        num_draws: of the simulation.
    """
    rng = np.random.default_rng(0)
    orders = list(permutations(range(len(starts))))
    times = np.asarray(starts)[:, None] + np.array([0.0, clip_seconds])  # (K, 2)
    kappa = 1 / (2 * np.pi * noise) ** 2
    rates = draw_rates(classes, 400, rng)
    right = 0
    for rate in draw_rates(classes, num_draws, rng):
        true = int(rng.integers(len(orders)))
        phases = rate * times[list(orders[true])] + rng.random()
        phases += rng.vonmises(0.0, kappa, times.shape) / (2 * np.pi)
        right += int(likelihoods_of_orders(phases, times, rates, kappa).argmax()) == true
    return right / num_draws


def likelihoods_of_orders(
    phases: np.ndarray, times: np.ndarray, rates: np.ndarray, kappa: float
) -> np.ndarray:
    """How likely each order of clips is, up to one factor for all.

    For a rate r, the likelihood over all onsets is proportional to I0(κ |Σ exp 2πi (phase - r t)|);
    it is summed over the rates.

    Args:
        phases: (K, E) in periods, at E times of the clip that is shown at each place.
        times: (K, E) in seconds, of each clip.
        rates: (R,) events per second.
        kappa: concentration of the errors of the phases.

    Returns:
        (K!,) for the orders sorted as tuples.
    """
    places = np.arange(len(times))
    orders = np.array(list(permutations(places)))
    expected = np.exp(-2j * np.pi * rates[:, None, None] * times)
    # Of each place, for each clip that it may show, at each rate: (K, K, R)
    residuals = np.einsum("ke,rce->kcr", np.exp(2j * np.pi * phases), expected)
    sums = np.abs(residuals[places, orders].sum(1))  # (K!, R)
    return np.asarray(np.i0(kappa * sums).sum(1))


def clips_of_two_speeds(
    corpus: CorpusName, num_items: int, num_frames: int
) -> tuple[np.ndarray, np.ndarray]:
    """Clips at speed 1 and speed 2 of items of all classes, the first in the middle of the second.

    Args:
        corpus: one with pictures.
        num_items: of each class.
        num_frames: of a clip; an item has twice as many or more.

    Returns:
        Normal and fast, each (N, num_frames, H, H): luma from 0 to 1, of the central square.
    """
    world = World()
    rng = generator(0, "ceilings", corpus)
    left = (world.width - world.height) // 2
    normal, fast = [], []
    for kind in range(len(CLASSES[corpus])):
        for item in range(num_items):
            scene = draw_scene(world, corpus, kind, 0, item, 0)
            frames = render_video(world, scene, rng)[:, : world.height]
            luma = frames[:, :, left : left + world.height] / 255
            start = int(rng.integers(world.num_frames - 2 * num_frames + 1))
            fast.append(luma[start : start + 2 * num_frames : 2])
            middle = start + num_frames // 2
            normal.append(luma[middle : middle + num_frames])
    return np.stack(normal), np.stack(fast)


def frame_difference(clips: np.ndarray) -> np.ndarray:
    """The mean of abs(x_t - x_{t-1}) over a clip's frames and pixels.

    Args:
        clips: (N, T, ...), T of 2 or more.

    Returns:
        (N,).
    """
    return np.abs(np.diff(clips, axis=1)).reshape(len(clips), -1).mean(1)


def area_under_curve(lower: np.ndarray, higher: np.ndarray) -> float:
    """How often a value of ``higher`` is above one of ``lower``; equal ones count one half."""
    ranked = np.sort(lower)
    below = np.searchsorted(ranked, higher, "left") + np.searchsorted(ranked, higher, "right")
    return float(below.mean() / 2 / len(lower))


@dataclass(frozen=True)
class Ceilings:
    """What a pretext can learn from the items of a corpus; shares are 0 to 1.

    Attributes:
        speed: of clips whose speed, 1 or 2, the best observer tells right from the apparent rate.
        speed_by_motion: the same if the observer knows the motion.
        difference_auc: area under the curve of :func:`frame_difference` as a test of the speed.
        difference_pairs: share of items whose fast clip has the greater one.
        arrow: of classes whose motion shows in which direction time runs.
        aligned_shifts: of pairs of disjoint seconds of an item in which the event is in phase.
        order_of_three: errors of a reading of the phase, in periods -> share of orders of three
            clips that the best observer tells right; guessing gets 1 / 6.
        order_of_four: the same for four clips; guessing gets 1 / 24.
    """

    speed: float
    speed_by_motion: float
    difference_auc: float
    difference_pairs: float
    arrow: float
    aligned_shifts: float
    order_of_three: dict[float, float]
    order_of_four: dict[float, float]


def ceilings(corpus: CorpusName, num_items: int, num_draws: int) -> Ceilings:
    """Measure a corpus with pictures, with the clips that the methods cut at desk scale.

    Args:
        corpus: its name.
        num_items: of each class that are rendered.
        num_draws: of each simulation of orders.
    """
    world, classes = World(), CLASSES[corpus]
    frame = 1 / world.fps
    normal, fast = map(frame_difference, clips_of_two_speeds(corpus, num_items, num_frames=8))
    # VCOP: three clips of 6 frames, 2 apart. ST-Puzzle: four of 5 in slots of 6.
    three, four = [8 * k * frame for k in range(3)], [6 * k * frame for k in range(4)]
    return Ceilings(
        speed=accuracy_of_speed(classes),
        speed_by_motion=accuracy_of_speed_by_motion(classes),
        difference_auc=area_under_curve(normal, fast),
        difference_pairs=float((normal < fast).mean()),
        arrow=len(classes_with_arrow(classes)) / len(classes),
        aligned_shifts=share_of_aligned_shifts(classes, world.seconds, 1.0, 100_000),
        order_of_three={
            noise: accuracy_of_order(classes, three, 5 * frame, noise, num_draws)
            for noise in NOISES
        },
        order_of_four={
            noise: accuracy_of_order(classes, four, 4 * frame, noise, num_draws) for noise in NOISES
        },
    )


def measure(num_items: int = 40, num_draws: int = 4000) -> dict[str, Any]:
    """The ceilings of each corpus with pictures, by its name, as plain values."""
    with_pictures = [corpus for corpus in get_args(CorpusName) if corpus in CLASSES]
    return {corpus: asdict(ceilings(corpus, num_items, num_draws)) for corpus in with_pictures}
