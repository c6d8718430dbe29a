"""Weights between runs: safetensors files, loaded strictly."""

from pathlib import Path
from typing import Literal, overload

from safetensors.torch import load_file, save
from torch import Tensor, nn

from iicl.config import Config, Encoders
from iicl.files import write_atomically
from iicl.models.audio import AudioEncoder
from iicl.models.heads import instance_head
from iicl.models.video import VideoEncoder

WEIGHTS = "weights.safetensors"


def save_weights(module: nn.Module, folder: Path, config: Config) -> None:
    """Write every parameter and buffer of ``module``, with the configuration that made it."""
    state = {name: tensor.cpu().contiguous() for name, tensor in module.state_dict().items()}
    metadata = {"config": config.model_dump_json()}
    write_atomically(folder / WEIGHTS, save(state, metadata))


def load_weights(folder: Path) -> dict[str, Tensor]:
    """The parameters and buffers that a finished run in ``folder`` wrote."""
    return load_file(folder / WEIGHTS)


@overload
def load_encoder(folder: Path, view: Literal["video"], encoders: Encoders) -> VideoEncoder: ...
@overload
def load_encoder(
    folder: Path, view: Literal["video", "audio"], encoders: Encoders
) -> VideoEncoder | AudioEncoder: ...
def load_encoder(
    folder: Path, view: Literal["video", "audio"], encoders: Encoders
) -> VideoEncoder | AudioEncoder:
    """One encoder of a finished pretraining.

    Raises:
        RuntimeError: if the weights do not fit the encoder exactly.
    """
    encoder = (
        VideoEncoder(encoders.video_width, encoders.video_depth)
        if view == "video"
        else AudioEncoder(encoders.audio_width, encoders.audio_depth)
    )
    prefix = f"{view}_encoder."
    state = load_weights(folder)
    own = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    encoder.load_state_dict(own)
    return encoder


def load_instance_head(folder: Path, view: Literal["video", "audio"]) -> nn.Sequential:
    """g_ins of a finished pretraining for one view.

    Raises:
        ValueError: if the pretraining has none.
    """
    state = load_weights(folder)
    for name in ("shared", view):
        prefix = f"instance_head.{name}."
        own = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
        if own:
            (dim, _), (instance_dim, _) = own["0.weight"].shape, own["2.weight"].shape
            head = instance_head(dim, instance_dim)
            head.load_state_dict(own)
            return head
    raise ValueError("features in space z need a pretraining with an instance head; this has none")
