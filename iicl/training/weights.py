"""Weights between runs: safetensors files that say what made them, loaded strictly."""

import json
from collections.abc import Mapping
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import load_file, save
from torch import Tensor

from iicl import methods
from iicl.config import Config, CorpusFacts
from iicl.files import write_atomically
from iicl.methods.base import Method
from iicl.pretraining import Pretrain

WEIGHTS = "weights.safetensors"
MADE_BY = "made_by"  # the entry of its metadata


def save_weights(
    method: Method, folder: Path, config: Config, facts: CorpusFacts | None = None
) -> None:
    """Write the state of a method except its ``not_exported``, and the settings that made it.

    Args:
        method: whose weights to write.
        folder: of the run.
        config: settings of the run.
        facts: of the corpus, with which a pretraining built its method.
    """
    state = {
        name: tensor.cpu().contiguous()
        for name, tensor in method.state_dict().items()
        if is_exported(method, name)
    }
    made_by = {"config": config.model_dump_json()}
    if facts is not None:
        made_by["facts"] = facts.model_dump_json()
    # One entry: safetensors writes several in an order that differs from file to file.
    write_atomically(folder / WEIGHTS, save(state, {MADE_BY: json.dumps(made_by)}))


def is_exported(method: Method, name: str) -> bool:
    """Whether an entry of a method's state is in its exported weights."""
    return not any(f"{name}.".startswith(f"{kept}.") for kept in method.not_exported)


def load_weights(folder: Path) -> dict[str, Tensor]:
    """The parameters and buffers that a finished run in ``folder`` wrote."""
    return load_file(folder / WEIGHTS)


def load_config(folder: Path) -> Pretrain:
    """The configuration of a finished pretraining's last phase, as its weights tell it.

    Raises:
        ValueError: if the weights are not those of a pretraining.
    """
    text = _made_by(folder)["config"]
    if (stage := json.loads(text).get("stage")) != "pretrain":
        raise ValueError(f"{folder / WEIGHTS} is of stage {stage!r}; legal: 'pretrain'")
    return Pretrain.model_validate_json(text)


def load_method(folder: Path) -> Method:
    """The method of a finished pretraining, on the CPU, as its last phase left it.

    Building it draws from torch's global generator; every weight is then replaced. What its
    ``not_exported`` names is that of a fresh method.

    Raises:
        ValueError: if the weights are not those of a pretraining.
        RuntimeError: if they do not fit their configuration exactly.
    """
    config, state = load_config(folder), load_weights(folder)
    facts = _load_facts(folder, config, state)
    method = methods.build(config.method, config.phase, config.encoders, facts)
    fresh = {n: v for n, v in method.state_dict().items() if not is_exported(method, n)}
    method.load_state_dict(fresh | state)
    return method


def _load_facts(folder: Path, config: Pretrain, state: Mapping[str, Tensor]) -> CorpusFacts:
    if (text := _made_by(folder).get("facts")) is not None:
        return CorpusFacts.model_validate_json(text)
    # Weights without facts come from homes that were made before facts were stored. Only the number
    # of classes shapes a method, and the log-mel statistics are among the buffers.
    num_classes = len(state.get("classifier.bias", ()))
    return CorpusFacts(
        corpus=config.corpus,
        num_items=0,
        classes=tuple(f"class {number}" for number in range(num_classes)),
        num_groups=0,
        log_mel_mean=0,
        log_mel_std=1,
    )


def _made_by(folder: Path) -> dict[str, str]:
    """The settings, and of a pretraining the facts, as JSON."""
    with safe_open(folder / WEIGHTS, "pt") as file:
        metadata: dict[str, str] = file.metadata()
    if MADE_BY not in metadata:
        return metadata  # of weights without facts: the settings alone
    made_by: dict[str, str] = json.loads(metadata[MADE_BY])
    return made_by
