"""How many bytes a second of prepared video takes, and what making and reading it costs a core.

    python benchmarks/throughput/prepared_size.py [--seconds 20]

Prepares real clips at the paper's settings (short side 128, up to 30 frames a second) and reads
random clips of 32 frames, with 2 s of sound where the items have it, by the loader's own worker
code: one process, one thread. ``SOURCES`` names the clips, below the folder that ``IICL_REAL_DATA``
names (default: ``shared/data`` beside the checkout). The figures under ``store`` in
``benchmarks/scales`` come from here.
"""

import argparse
import json
import logging
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if __name__ == "__main__":
    sys.path[0] = str(ROOT)

ITEMS = 60
SOURCES = {
    "UCF101, originals": ["loader_clips/v_*.avi"],
    "UCF101, copies at 128 pixels": ["UCF-101/*/*.avi"],
    "HMDB51, originals": ["loader_clips/*_f_[cn]m_*.avi"],
    "Kinetics-400, originals": ["loader_clips/R6llTwEh07w.mp4", "loader_clips/WUzgd7C1pWA.mp4"],
    "GRID, copies at 128 pixels": ["GRID-s1/*/*.mp4"],
}


def measure(clips: list[Path], seconds: float) -> dict[str, float]:
    """Prepare clips and read from them.

    Args:
        clips: media files.
        seconds: CPU time of the reading.

    Returns:
        Clips, their mean seconds, bytes of video per second of it, CPU seconds of its preparation
        per second of it, and CPU seconds of the loader per clip.
    """
    # Here, because the processes that prepare import this module and need no torch.
    from iicl.config import Preparation
    from iicl.data.prepare import prepare
    from slurm.cores import num_cores

    with tempfile.TemporaryDirectory() as temporary:
        source, out = Path(temporary) / "source", Path(temporary) / "prepared"
        (source / "clips").mkdir(parents=True)
        # A few clips count many times over, so that the start of a process does not count.
        for number, clip in enumerate(clips * max(1, ITEMS // len(clips))):
            (source / "clips" / f"{number:04d}{clip.suffix}").symlink_to(clip.resolve())
        before = _children_seconds()
        manifest = prepare(
            "folder",
            source,
            out,
            corpus="size",
            preparation=Preparation(),
            num_workers=num_cores(),
        )
        prepare_seconds = _children_seconds() - before
        items = [item for item in manifest.items if "video" in item.views]
        duration = sum(item.num_frames / item.fps for item in items)
        return {
            "clips": len(clips),
            "seconds_per_item": duration / len(items),
            "video_bytes_per_second": sum(item.num_video_bytes for item in items) / duration,
            "prepare_seconds_per_second": prepare_seconds / duration,
            "decode_seconds_per_clip": _decode_seconds(out, seconds),
        }


def _children_seconds() -> float:
    """CPU seconds of all child processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _decode_seconds(folder: Path, seconds: float) -> float:
    """CPU seconds per clip of the loader, in this process."""
    from iicl.config import Augmentation, Clip
    from iicl.data.draws import Contents
    from iicl.data.loader import make_loader
    from iicl.data.sampling import Batching
    from iicl.data.store import PreparedCorpus
    from iicl.samples import AUDIO, VIDEO

    corpus = PreparedCorpus.open(folder)
    positions = corpus.select(["video", "audio"])
    samples = (VIDEO, AUDIO) if positions else (VIDEO,)
    positions = positions or corpus.select(["video"])
    loader = make_loader(
        corpus,
        positions,
        Contents(Clip(), samples, Augmentation()),
        Batching(sampling="random", batch_size=32, epochs=range(1_000_000)),
    )
    num_clips, begin = 0, time.process_time()
    for batch in loader:
        num_clips += len(batch)
        if time.process_time() - begin > seconds:
            break
    return (time.process_time() - begin) / num_clips


def main() -> None:
    """Print one JSON object per source."""
    import torch

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=20.0, help="CPU time of each reading")
    arguments = parser.parse_args()
    logging.getLogger("libav").setLevel(logging.ERROR)
    torch.set_num_threads(1)
    data = Path(os.environ.get("IICL_REAL_DATA", ROOT.parent / "shared" / "data"))
    for name, patterns in SOURCES.items():
        clips = sorted(clip for pattern in patterns for clip in data.glob(pattern))
        if not clips:
            raise SystemExit(f"no clips of {name} in {data}; IICL_REAL_DATA names the folder")
        measured = measure(clips, arguments.seconds)
        print(json.dumps({"set": name, **{k: float(f"{v:.3g}") for k, v in measured.items()}}))


if __name__ == "__main__":
    from slurm.command_line import survive_closed_pipes

    survive_closed_pipes()
    main()
