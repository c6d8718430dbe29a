"""What a plan costs before it is launched: operations from arithmetic, hours from a rate.

The rate is measured where this home has finished runs of the same stage on the same clips and
encoders; otherwise it is the scale's assumption, and the estimate says so.
"""

import math
import statistics
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from benchmarks.store.records import Result, RunSpec

Counts = Mapping[str, int]
FEATURE_BATCH = 32  # clips that are encoded together, as in iicl.evaluation.features
BACKWARD = 2  # a backward pass costs about two forward passes


def _out(size: int, kernel: int, stride: int, padding: int) -> int:
    return (size + 2 * padding - kernel) // stride + 1


class Convolution(NamedTuple):
    """One convolution of an encoder, with the batch norm that follows it.

    Attributes:
        weights: of the convolution; it has no bias.
        channels: that it gives; batch norm has two parameters for each.
        positions: in time and space, or of a spectrogram, that it gives.
    """

    weights: int
    channels: int
    positions: int


def macs(convolutions: Iterable[Convolution]) -> int:
    """Multiply-accumulates of one forward pass over one clip."""
    return sum(c.weights * c.positions for c in convolutions)


def num_parameters(convolutions: Iterable[Convolution]) -> int:
    """Parameters of the convolutions and their batch norms."""
    return sum(c.weights + 2 * c.channels for c in convolutions)


def video_convolutions(
    clip: Mapping[str, Any], encoders: Mapping[str, Any]
) -> Iterator[Convolution]:
    """Those of R(2+1)D.

    A block's two factorised convolutions share one middle width, as in torchvision's network.
    """
    width, depth = encoders["video_width"], encoders["video_depth"]
    frames, side = clip["num_frames"], _out(clip["size"], 7, 2, 3)
    stem = max(1, round(45 * width / 64))
    yield Convolution(3 * stem * 49, stem, frames * side**2)
    yield Convolution(stem * width * 3, width, frames * side**2)
    channels = width
    for stage in range(4):
        planes = width * 2**stage
        for block in range(depth):
            stride = 2 if stage > 0 and block == 0 else 1
            middle = (channels * planes * 27) // (channels * 9 + 3 * planes)
            before = frames
            side, frames = _out(side, 3, stride, 1), _out(frames, 3, stride, 1)
            yield Convolution(channels * middle * 9, middle, before * side**2)
            yield Convolution(middle * planes * 3, planes, frames * side**2)
            yield Convolution(planes * middle * 9, middle, frames * side**2)
            yield Convolution(middle * planes * 3, planes, frames * side**2)
            if stride == 2 or channels != planes:
                yield Convolution(channels * planes, planes, frames * side**2)
            channels = planes


def audio_convolutions(
    clip: Mapping[str, Any], encoders: Mapping[str, Any]
) -> Iterator[Convolution]:
    """Those of the audio ResNet."""
    width, depth = encoders["audio_width"], encoders["audio_depth"]
    rows = _out(clip["mel_bins"], 7, 2, 3)
    columns = _out(clip["spectrogram_frames"], 7, 2, 3)
    yield Convolution(49 * width, width, rows * columns)
    rows, columns = _out(rows, 3, 2, 1), _out(columns, 3, 2, 1)
    channels = width
    for stage in range(4):
        planes = width * 2**stage
        for block in range(depth):
            stride = 2 if stage > 0 and block == 0 else 1
            rows, columns = _out(rows, 3, stride, 1), _out(columns, 3, stride, 1)
            yield Convolution(9 * planes * channels, planes, rows * columns)
            yield Convolution(9 * planes * planes, planes, rows * columns)
            if stride == 2 or channels != planes:
                yield Convolution(channels * planes, planes, rows * columns)
            channels = planes


def video_macs(clip: Mapping[str, Any], encoders: Mapping[str, Any]) -> int:
    """Multiply-accumulates of one forward pass of R(2+1)D over one clip."""
    return macs(video_convolutions(clip, encoders))


def audio_macs(clip: Mapping[str, Any], encoders: Mapping[str, Any]) -> int:
    """Multiply-accumulates of one forward pass of the audio ResNet over one spectrogram."""
    return macs(audio_convolutions(clip, encoders))


@dataclass(frozen=True)
class Work:
    """How much a run computes.

    Attributes:
        clips: clips that pass through an encoder, in training or in evaluation.
        flops: floating-point operations of the encoders; heads and losses are below one percent.
    """

    clips: int
    flops: float


def items_trained_on(resolved: Mapping[str, Any]) -> str:
    """Key in the counts of the items that a resolved pretraining reads."""
    method = resolved["method"]
    hears = method["name"] == "iicl" or method.get("modalities") == "both"
    return "1/train/with_sound" if hears and resolved["silent_items"] == "drop" else "1/train"


def work(resolved: Mapping[str, Any], counts: Counts, pretrained: Mapping[str, Any] | None) -> Work:
    """The work of a resolved run on a corpus with ``counts`` usable items.

    Args:
        resolved: as ``stages.resolve`` gave it.
        counts: items: ``all``, ``<fold>/train``, ``<fold>/train/with_sound``, ``<fold>/test``.
        pretrained: the resolved pretraining whose encoder the run uses, if it uses one.
    """
    stage = resolved["stage"]
    if stage == "pretrain":
        if not resolved["epochs"]:
            return Work(0, 0.0)
        items = counts[items_trained_on(resolved)]
        batch = resolved["optimisation"]["batch_size"]
        steps = items // batch * resolved["clips_per_item"] * resolved["epochs"]
        per_clip = video_macs(resolved["clip"], resolved["encoders"])
        if resolved["method"].get("modalities") != "video":
            per_clip += audio_macs(resolved["clip"], resolved["encoders"])
        return Work(steps * batch, steps * batch * 2.0 * per_clip * (1 + BACKWARD))
    if stage == "features":
        assert pretrained is not None
        clips = counts["all" if resolved["items"] == "all" else "1/test"] * resolved["num_clips"]
        if pretrained["method"]["name"] == "mfcc":
            return Work(clips, 0.0)
        macs_of = video_macs if resolved["view"] == "video" else audio_macs
        return Work(clips, clips * 2.0 * macs_of(resolved["clip"], pretrained["encoders"]))
    if stage == "finetune":
        assert pretrained is not None
        per_clip = video_macs(resolved["clip"], pretrained["encoders"])
        train = (
            counts[f"{resolved['fold']}/train"] * resolved["clips_per_item"] * resolved["epochs"]
        )
        test = counts[f"{resolved['fold']}/test"] * resolved["num_clips"] * resolved["num_crops"]
        return Work(train + test, 2.0 * per_clip * (train * (1 + BACKWARD) + test))
    return Work(0, 0.0)


def num_ranks(resolved: Mapping[str, Any], work: Work) -> int:
    """Ranks that a resolved run can use: they share out the chunks of its batches, or its batches.

    Args:
        resolved: as ``stages.resolve`` gave it.
        work: what it computes.
    """
    if resolved["stage"] == "pretrain" and work.flops:
        optimisation = resolved["optimisation"]
        return math.ceil(optimisation["batch_size"] / optimisation["chunk_size"])
    if resolved["stage"] == "features" and work.flops:
        return math.ceil(work.clips / FEATURE_BATCH)
    return 1


def kind(resolved: Mapping[str, Any], work: Work) -> tuple[Any, ...]:
    """Runs of one kind compute at one rate: same stage, clip, encoders and precision."""
    described = [resolved.get(key) for key in ("clip", "precision", "view")]
    per_clip = round(work.flops / work.clips) if work.clips else 0
    name = resolved.get("method", {}).get("name")
    return (resolved["stage"], name, str(described), per_clip)


class Rates:
    """Seconds of finished runs, to estimate others by."""

    def __init__(self, finished: Iterable[tuple[RunSpec, Result]]) -> None:
        """Learn from (spec, result) of finished runs."""
        self._per_flop: dict[tuple[Any, ...], list[float]] = {}
        self._seconds: dict[str, list[float]] = {}
        for spec, result in finished:
            resolved, work = spec["resolved"], Work(spec["clips"], spec["flops"])
            if work.flops:
                rate = result["seconds"] * result.get("num_ranks", 1) / work.flops
                self._per_flop.setdefault(kind(resolved, work), []).append(rate)
            else:
                self._seconds.setdefault(resolved["stage"], []).append(result["seconds"])

    def seconds(
        self, resolved: Mapping[str, Any], work: Work, sustained_gflops: float
    ) -> tuple[float, bool]:
        """Estimated seconds on one device, and whether they rest on a measurement."""
        if not work.flops:
            known = self._seconds.get(resolved["stage"])
            return (statistics.median(known), True) if known else (0.0, False)
        per_flop = self._per_flop.get(kind(resolved, work))
        if per_flop:
            return statistics.median(per_flop) * work.flops, True
        return work.flops / (sustained_gflops * 1e9), False
