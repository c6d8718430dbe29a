"""How many bytes runs and corpora take: on disk, between the GPUs of a training, and per clip.

Arithmetic from the settings, as :mod:`benchmarks.plan.cost` does it for operations.
"""

from collections.abc import Mapping
from typing import Any, Literal

from benchmarks.plan.cost import audio_convolutions, num_parameters, video_convolutions
from benchmarks.plan.graph import Run
from benchmarks.spec.scale import PreparedSize

Seconds = Mapping[Literal["video", "audio"], float]
"""Of an item's views, the mean over a corpus."""

FLOAT, SAMPLE, PACKET_SIZE = 4, 2, 4  # bytes
SAMPLE_RATE = 16_000  # Hz, of stored sound
GRADIENT = 8  # bytes; ranks add their gradients in float64, so that their number changes nothing
GOP = 8  # frames from one key frame to the next; decoding starts at a key frame
STORED_FPS = 30.0  # the most that ``prepare`` keeps; slower originals keep their own rate
KEPT_CHECKPOINTS = 2
CHECKPOINT_SECONDS = 60.0  # from one to the next
VERIFY_EPOCHS = 64  # in which a training reads every item once from end to end, for its digest
READS_PER_VIDEO, READS_PER_SOUND = 2, 1  # sizes of the packets, packets; samples


def parameters(resolved: Mapping[str, Any]) -> int:
    """What a resolved pretraining trains.

    The classifier of the supervised control is left out: the number of its classes is not known
    before the corpus is prepared, and it is below one percent.
    """
    method, clip, encoders = resolved["method"], resolved["clip"], resolved["encoders"]
    if method["name"] == "mfcc":
        return 0
    count = num_parameters(video_convolutions(clip, encoders))
    if method.get("modalities") != "video":
        count += num_parameters(audio_convolutions(clip, encoders))
    if method["name"] == "iicl":
        count += _head_parameters(method, 8 * encoders["video_width"])
    return count


def _head_parameters(method: Mapping[str, Any], dim: int) -> int:
    """Of g_ins and g_clu, as far as the phase has them; the paper's co-attention has none."""
    outputs = []
    if method["objective"] != "cluster" and method["instance_space"] == "z":
        outputs.append(method["instance_dim"])
    if method["objective"] != "instance":
        outputs.append(method["clusters"])
    heads = 1 if method["heads"] == "shared" else 2
    return heads * sum((dim + 1) * dim + (dim + 1) * output for output in outputs)


def feature_bytes(resolved: Mapping[str, Any]) -> int:
    """What a resolved pretraining's encoders give for one clip, its video and its sound."""
    encoders = resolved["encoders"]
    return FLOAT * 8 * (encoders["video_width"] + encoders["audio_width"])


def run_bytes(run: Run, pretrained: Mapping[str, Any] | None) -> int:
    """What a finished run leaves on disk: weights and checkpoints, or features.

    A running one takes no more than that, but for one checkpoint while it is being written.

    Args:
        run: of any stage.
        pretrained: the resolved pretraining whose encoder the run uses, if it uses one.
    """
    resolved = run.resolved
    if run.stage == "pretrain":
        if not resolved["epochs"]:  # a control that never trains: its weights, and one checkpoint
            return 2 * FLOAT * parameters(resolved)
        return _training_bytes(parameters(resolved), 2)
    if run.stage == "finetune":
        assert pretrained is not None
        count = num_parameters(video_convolutions(resolved["clip"], pretrained["encoders"]))
        return _training_bytes(count, 1 if resolved["optimiser"] == "sgd" else 2)
    if run.stage == "features":
        assert pretrained is not None
        method = pretrained["method"]
        dim = 8 * pretrained["encoders"][f"{resolved['view']}_width"]
        if method["name"] == "mfcc":
            dim = 2 * method["num_coefficients"]
        return run.work.clips * dim * FLOAT
    return 0


def _training_bytes(parameters: int, moments: int) -> int:
    return FLOAT * parameters + KEPT_CHECKPOINTS * checkpoint_bytes(parameters, moments)


def checkpoint_bytes(parameters: int, moments: int = 2) -> int:
    """Of a training: its weights and the moments of its optimiser, two for Adam."""
    return FLOAT * parameters * (1 + moments)


def item_bytes(seconds: Seconds, store: PreparedSize) -> float:
    """What an item takes in a prepared corpus.

    Args:
        seconds: of its views.
        store: what a second of video takes.
    """
    video, audio = seconds.get("video", 0.0), seconds.get("audio", 0.0)
    return video * store.video_bytes_per_second + audio * SAMPLE_RATE * SAMPLE


def clip_bytes(clip: Mapping[str, Any], seconds: Seconds, store: PreparedSize) -> float:
    """What training reads of the store for one clip and its window of sound.

    A clip begins (GOP - 1) / 2 stored frames after a key frame on average, and the sizes of all
    packets of its item are read. Once in ``VERIFY_EPOCHS`` epochs the whole item is.

    Args:
        clip: fields of ``iicl.config.Clip``.
        seconds: of an item's views.
        store: what a second of video takes.
    """
    decoded = clip["num_frames"] / clip["fps"] + (GOP - 1) / 2 / STORED_FPS
    index = PACKET_SIZE * seconds["video"] * STORED_FPS
    sound = SAMPLE * SAMPLE_RATE * clip["audio_seconds"]
    check = item_bytes(seconds, store) / VERIFY_EPOCHS
    return decoded * store.video_bytes_per_second + index + sound + check


def reads_per_clip() -> float:
    """Read calls, each of a file opened for it, behind one clip and its window of sound."""
    return READS_PER_VIDEO + READS_PER_SOUND + 1 / VERIFY_EPOCHS


def all_reduce_bytes(size: float, ranks: int) -> float:
    """What each rank sends, and receives, when a ring of ranks adds up ``size`` bytes of each."""
    return 2 * (ranks - 1) / ranks * size
