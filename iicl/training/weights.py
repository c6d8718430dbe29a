"""Weights between runs: safetensors files that say what made them, loaded strictly."""

import json
from pathlib import Path
from typing import get_args

from safetensors import safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn

from iicl import methods
from iicl.config import Config, Pretrain
from iicl.files import write_atomically
from iicl.methods.base import Method
from iicl.protocols import View

WEIGHTS = "weights.safetensors"


def save_weights(module: nn.Module, folder: Path, config: Config) -> None:
    """Write every parameter and buffer of ``module``, with the configuration that made it."""
    state = {name: tensor.cpu().contiguous() for name, tensor in module.state_dict().items()}
    metadata = {"config": config.model_dump_json()}
    write_atomically(folder / WEIGHTS, save(state, metadata))


def load_weights(folder: Path) -> dict[str, Tensor]:
    """The parameters and buffers that a finished run in ``folder`` wrote."""
    return load_file(folder / WEIGHTS)


def load_config(folder: Path) -> Pretrain:
    """The configuration of a finished pretraining's last phase, as its weights tell it.

    Raises:
        ValueError: if the weights are not those of a pretraining.
    """
    with safe_open(folder / WEIGHTS, "pt") as file:
        text = file.metadata()["config"]
    if (stage := json.loads(text).get("stage")) != "pretrain":
        raise ValueError(f"{folder / WEIGHTS} is of stage {stage!r}; legal: 'pretrain'")
    return Pretrain.model_validate_json(text)


def load_method(folder: Path) -> Method:
    """The method of a finished pretraining, on the CPU, as its last phase left it.

    Building it draws from torch's global generator; every weight is then replaced.

    Raises:
        ValueError: if the weights are not those of a pretraining.
        RuntimeError: if they do not fit their configuration exactly.
    """
    config, state = load_config(folder), load_weights(folder)
    classifier = state.get("classifier.weight")
    num_classes = None if classifier is None else len(classifier)
    method = methods.build(config.method, config.phase, config.encoders, num_classes)
    method.load_state_dict(state)
    return method


def encoder_of(method: Method, view: View) -> nn.Module:
    """The encoder of a method for one view.

    Raises:
        ValueError: if the method has none.
    """
    found = {v: getattr(method, f"{v}_encoder", None) for v in get_args(View)}
    encoder = found[view]
    if encoder is None:
        legal = ", ".join(v for v, encoder in found.items() if encoder is not None)
        raise ValueError(f"the pretraining has no {view} encoder; it has: {legal}")
    return encoder
