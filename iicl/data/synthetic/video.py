"""Renders the picture of a scene as YUV 4:2:0 planes (BT.601, limited range)."""

import numpy as np

from iicl.data.synthetic.scene import Event, Look, Scene
from iicl.data.synthetic.world import World

_SHAKE_HZ = 3.3  # less than half of 8 frames per second


def render_video(world: World, scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """Render a scene.

    Args:
        world: size, rate and difficulty of the pictures.
        scene: the scene.
        rng: generator of the pixel noise.

    Returns:
        uint8 array (num_frames, height * 3 / 2, width): the Y plane above the U and V planes, the
        packing that PyAV calls ``yuv420p``.
    """
    time = np.arange(world.num_frames) / world.fps
    camera = scene.camera
    wobble = 2 * np.pi * (camera.wobble_rate * time + camera.wobble_phase)
    offset_x = camera.vx * (time - time.mean()) + camera.wobble * np.sin(wobble)
    offset_y = camera.vy * (time - time.mean()) + camera.wobble * np.cos(wobble)
    x = (np.arange(world.width) - (world.width - 1) / 2) / (world.height / 2)
    y = (np.arange(world.height) - (world.height - 1) / 2) / (world.height / 2)
    grid_x = x[None, :] - offset_x[:, None]  # (T, W)
    grid_y = y[None, :] - offset_y[:, None]  # (T, H)

    picture = _background(scene, grid_x, grid_y)
    for distractor in scene.distractors:
        track = np.stack(
            [
                distractor.x + distractor.vx * time,
                distractor.y + distractor.vy * time,
                np.ones_like(time),
                np.zeros_like(time),
                np.ones_like(time),
            ]
        )
        _paint(picture, world, distractor.look, track, grid_x, grid_y)
    for event in scene.events:
        for track in tracks(event, time):
            _paint(picture, world, event.look, track, grid_x, grid_y)
    return _to_yuv(picture, world.pixel_noise * rng.standard_normal(picture.shape[1:]))


def tracks(event: Event, time: np.ndarray) -> list[np.ndarray]:
    """One path (5, T) for each object of an event: x, y, scale, angle in radians, opacity.

    Args:
        event: the event.
        time: (T,) seconds.
    """
    u = event.rate * time + event.onset
    f = u - np.floor(u)
    zero, one = np.zeros_like(u), np.ones_like(u)
    room = 1.0 - event.look.size
    reach = event.amplitude * room
    sign = event.direction

    def triangle(phase: np.ndarray) -> np.ndarray:  # period 2, corners at integers, in [-1, 1]
        return 1 - 2 * np.abs(phase - 2 * np.floor(phase / 2) - 1)

    def path(
        x: np.ndarray | float,
        y: np.ndarray | float,
        scale: np.ndarray | float = 1.0,
        angle: np.ndarray | float = 0.0,
        opacity: np.ndarray | float = 1.0,
    ) -> np.ndarray:
        return np.stack([zero + x, zero + y, one * scale, zero + angle, one * opacity])

    match event.motion:
        case "bounce":
            return [path(event.x, room - 2 * reach * 4 * f * (1 - f))]
        case "pendulum":
            swing = sign * 0.8 * event.amplitude * np.cos(np.pi * u)
            return [path(1.1 * np.sin(swing), 1.2 * np.cos(swing) - 1.1, 1.0, -swing)]
        case "spin":
            return [path(event.x, event.y, 1.2, sign * np.pi * u)]
        case "zigzag":
            return [path(reach * triangle(u), sign * reach * triangle(u / 3))]
        case "pulse":
            return [path(event.x, event.y, 0.85 + 0.45 * event.amplitude * np.cos(2 * np.pi * u))]
        case "flicker":
            return [path(event.x, event.y, opacity=np.where(f < 0.5, 1.0, 0.1))]
        case "orbit":
            angle = sign * np.pi * u
            return [path(reach * np.cos(angle), reach * np.sin(angle))]
        case "slide":
            return [path(sign * (3.2 * f - 1.6), event.y)]
        case "shake":
            burst = 0.5 * event.amplitude * np.exp(-2.5 * f)
            return [path(event.x + burst * np.sin(2 * np.pi * _SHAKE_HZ * time), event.y)]
        case "collide":
            half = 0.75 * event.look.size
            gap = half + event.amplitude * (1 - half) * 2 * np.minimum(f, 1 - f)
            return [path(-gap, event.y, 0.75), path(gap, event.y, 0.75)]
        case "rain":
            lag = np.array([0.0, 0.09, 0.18, 0.27])
            falls = (u[None, :] + lag[:, None]) - np.floor(u[None, :] + lag[:, None])
            columns = sign * np.array([-0.7, 0.2, -0.2, 0.7]) + 0.4 * event.x
            return [path(columns[k], 2.5 * falls[k] - 1.25, 0.5) for k in range(len(lag))]
        case "loom":
            return [path(event.x, event.y, 0.3 + 1.1 * event.amplitude * f)]
    raise ValueError(f"unknown motion {event.motion!r}")


def _background(scene: Scene, grid_x: np.ndarray, grid_y: np.ndarray) -> np.ndarray:
    """(3, T, H, W) from 0 to 1.

    sin(a + b) is expanded, so that the sine is taken only of (T, H) and (T, W) arrays.
    """
    ground = scene.background
    texture = np.zeros((grid_y.shape[0], grid_y.shape[1], grid_x.shape[1]))
    for kx, ky, phase, weight in zip(
        ground.kx, ground.ky, ground.phase, ground.weight, strict=True
    ):
        a, b = (kx * grid_x + phase)[:, None, :], (ky * grid_y)[:, :, None]
        texture += weight * (np.sin(a) * np.cos(b) + np.cos(a) * np.sin(b))
    colour = _hsv(ground.hue, 0.5, ground.value)
    return colour[:, None, None, None] + texture[None]


def _paint(
    picture: np.ndarray,
    world: World,
    look: Look,
    track: np.ndarray,
    grid_x: np.ndarray,
    grid_y: np.ndarray,
) -> None:
    """Blend one object into ``picture`` (3, T, H, W) in place.

    The distance of a pixel from the outline gives smooth edges.
    """
    x, y, scale, angle, opacity = track[:, :, None, None]
    dx, dy = grid_x[:, None, :] - x, grid_y[:, :, None] - y
    size = look.size * scale
    p = (np.cos(angle) * dx + np.sin(angle) * dy) / size
    q = (np.cos(angle) * dy - np.sin(angle) * dx) / size
    pixels = size * (world.height / 2)
    cover = np.clip(0.5 - _distance(look.shape, p, q) * pixels, 0.0, 1.0)
    cover *= opacity * world.contrast
    stripe = np.clip(0.5 - (np.abs(q) - 0.2) * pixels, 0.0, 1.0)  # makes a rotation visible
    colour = _hsv(look.hue, 0.75, 1.0)
    for channel in range(3):
        plane = picture[channel]
        plane += cover * (colour[channel] * (1 - 0.65 * stripe) - plane)


def _distance(shape: str, p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Signed distance to the outline, negative inside; half the extent of the object is 1."""
    match shape:
        case "disc":
            return np.sqrt(p * p + q * q) - 1.0
        case "square":
            return np.maximum(np.abs(p), np.abs(q)) - 0.88
        case "triangle":
            return np.maximum(q - 0.8, 0.874 * np.abs(p) - 0.486 * q - 0.486)
        case "ring":
            return np.abs(np.sqrt(p * p + q * q) - 0.72) - 0.3
        case "cross":
            ap, aq = np.abs(p), np.abs(q)
            return np.maximum(np.maximum(ap, aq) - 1.0, np.minimum(ap, aq) - 0.36)
    raise ValueError(f"unknown shape {shape!r}")


def _hsv(hue: float, saturation: float, value: float) -> np.ndarray:
    """RGB values (3,) of a colour; all values are from 0 to 1."""
    k = (np.array([5.0, 3.0, 1.0]) + 6 * hue) % 6
    return value * (1 - saturation * np.clip(np.minimum(k, 4 - k), 0.0, 1.0))


def _to_yuv(picture: np.ndarray, luma_noise: np.ndarray) -> np.ndarray:
    red, green, blue = np.clip(picture, 0.0, 1.0, out=picture)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    frames, height, width = luma.shape

    def quarter(plane: np.ndarray) -> np.ndarray:
        pairs = plane.reshape(frames, height // 2, 2, width // 2, 2)
        mean = pairs[:, :, 0, :, 0] + pairs[:, :, 0, :, 1]
        mean += pairs[:, :, 1, :, 0] + pairs[:, :, 1, :, 1]
        return mean / 4

    planes = [
        16.0 + 219.0 * np.clip(luma + luma_noise, 0.0, 1.0),
        128.0 + 224.0 * quarter((blue - luma) / 1.772),
        128.0 + 224.0 * quarter((red - luma) / 1.402),
    ]
    packed = np.concatenate([plane.reshape(frames, -1) for plane in planes], axis=1)
    return np.rint(packed).astype(np.uint8).reshape(frames, height * 3 // 2, width)
