"""How many clips a second the loader gives per core, and how many the originals would give.

    python benchmarks/throughput/loader_rate.py [--items 12] [--seconds 20]

Writes Kinetics-like originals (10 s, 340 x 256, 30 fps, a key frame every 250 frames, AAC),
prepares them, and reads random clips of 32 frames at a short side of 128 with 2 s of sound: from
the prepared corpus by the loader's own worker code, and the same number of frames from the
originals by seeking, decoding and scaling (without their sound, to the originals' advantage). One
process, one thread each.
"""

import argparse
import json
import logging
import os
import sys
import tempfile
import time
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import VideoReformatter

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[2])

WIDTH, HEIGHT, FPS, SECONDS, RATE = 340, 256, 30, 10, 44_100


def write_original(path: Path, seed: int) -> None:
    """Writes one clip: textures that drift over each other, a moving object and camera noise."""
    generator = np.random.default_rng(seed)
    planes = [_texture(generator, scale) for scale in (4, 8, 32)]
    drifts = generator.uniform(-3, 3, size=(3, 2))
    tone = generator.uniform(200, 2000)
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=FPS)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.codec_context.gop_size = 250
        video.options = {"preset": "medium", "crf": "23", "x264-params": "scenecut=0"}
        audio = container.add_stream("aac", rate=RATE, layout="mono")
        for number in range(FPS * SECONDS):
            shifted = [
                np.roll(plane, tuple((number * drift).astype(int)), axis=(0, 1))[:HEIGHT, :WIDTH]
                for plane, drift in zip(planes, drifts, strict=True)
            ]
            image = np.sum(shifted, axis=0)
            row, column = (int(100 + 80 * np.sin(number / 15 + k)) for k in (0, 1))
            image[row : row + 60, column : column + 60] = planes[0][:60, :60] * 2
            image = image + generator.normal(0, 4, (HEIGHT, WIDTH, 1))
            pixels = np.clip(image, 0, 255).astype(np.uint8)
            container.mux(video.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        times = np.arange(RATE * SECONDS) / RATE
        sound = 0.2 * np.sin(2 * np.pi * tone * times) + generator.normal(0, 0.05, len(times))
        frame = av.AudioFrame.from_ndarray(sound[None].astype(np.float32), "fltp", "mono")
        frame.sample_rate = RATE
        container.mux(audio.encode(frame))
        container.mux(video.encode(None))
        container.mux(audio.encode(None))


def _texture(generator: np.random.Generator, scale: int) -> np.ndarray:
    """(512, 512, 3) smooth noise of a grain of ``scale`` pixels that tiles."""
    grain = generator.uniform(0, 85, (512 // scale, 512 // scale, 3)).astype(np.float32)
    texture = grain.repeat(scale, 0).repeat(scale, 1)
    for axis in (0, 1):
        texture = np.mean([np.roll(texture, k, axis) for k in range(scale)], axis=0)
    return texture


def direct_rate(paths: list[Path], seconds: float) -> float:
    """Clips per second straight from the originals."""
    generator = np.random.default_rng(0)
    scaler = VideoReformatter()
    num_clips, begin = 0, time.process_time()
    while time.process_time() - begin < seconds:
        path = paths[generator.integers(len(paths))]
        start = generator.uniform(0, SECONDS - 32 / FPS)
        frames = []
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            container.seek(round(start * 1e6))
            for frame in container.decode(stream):
                if frame.time >= start - 0.5 / FPS:
                    scaled = scaler.reformat(frame, width=170, height=128, threads=1)
                    frames.append(scaled.to_ndarray())
                    if len(frames) == 32:
                        break
        assert len(frames) == 32
        num_clips += 1
    return num_clips / (time.process_time() - begin)


def prepared_rate(folder: Path, seconds: float) -> float:
    """Clips per second of the loader, in this process, one thread."""
    from iicl.config import Augmentation, Clip
    from iicl.data.draws import Contents
    from iicl.data.loader import make_loader
    from iicl.data.sampling import Batching
    from iicl.data.store import PreparedCorpus
    from iicl.samples import AUDIO, VIDEO

    corpus = PreparedCorpus.open(folder)
    loader = make_loader(
        corpus,
        corpus.select(["video", "audio"]),
        Contents(Clip(), (VIDEO, AUDIO), Augmentation()),
        Batching(sampling="random", batch_size=12, epochs=range(1_000_000)),
    )
    num_clips, begin = 0, time.process_time()
    for batch in loader:
        num_clips += len(batch)
        if time.process_time() - begin > seconds:
            break
    return num_clips / (time.process_time() - begin)


def main() -> None:
    """Prints one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=20.0, help="CPU time of each measurement")
    arguments = parser.parse_args()
    logging.getLogger("libav").setLevel(logging.ERROR)
    os.environ["OMP_NUM_THREADS"] = "1"

    import torch

    from iicl.config import Preparation
    from iicl.data.prepare import prepare

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        source, out = Path(temporary) / "source", Path(temporary) / "prepared"
        (source / "clips").mkdir(parents=True)
        paths = [source / "clips" / f"{number:03d}.mp4" for number in range(arguments.items)]
        for number, path in enumerate(paths):
            write_original(path, number)
        begin = time.perf_counter()
        prepare(
            "folder",
            source,
            out,
            corpus="rate",
            preparation=Preparation(),
            num_workers=1,
        )
        seconds = time.perf_counter() - begin
        kilobits = sum(path.stat().st_size for path in paths) * 8e-3 / SECONDS / len(paths)
        prepared = sum(path.stat().st_size for path in out.glob("*/*.bin"))
        fast = prepared_rate(out, arguments.seconds)
        slow = direct_rate(paths, arguments.seconds)
    print(
        json.dumps(
            {
                "prepared_clips_per_core_second": round(fast, 1),
                "direct_clips_per_core_second": round(slow, 2),
                "ratio": round(fast / slow, 1),
                "original_kilobits_per_second": round(kilobits),
                "prepared_kilobits_per_second": round(prepared * 8e-3 / SECONDS / len(paths)),
                "preparation_seconds_per_item": round(seconds / len(paths), 2),
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    from slurm.command_line import survive_closed_pipes

    survive_closed_pipes()
    main()
