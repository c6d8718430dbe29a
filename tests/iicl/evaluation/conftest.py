from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from iicl import methods
from iicl.data.manifest import Manifest, ManifestItem
from iicl.evaluation.features import FEATURES
from iicl.methods.base import Method
from iicl.pretraining import Pretrain
from iicl.training.weights import save_weights
from tests.iicl.facts import facts


@pytest.fixture
def stored(tmp_path) -> Callable[..., dict[str, dict[str, Path]]]:
    """Writes a corpus without media and features of its items; returns where they are."""

    def write(
        items: list[tuple[str, ...]], features: np.ndarray | None = None, **roles: np.ndarray
    ) -> dict[str, dict[str, Path]]:
        """Items are (label, split of fold 2, group[, views]); features (N, K, D), also by role.

        Items without a view of a role's name are left out of its features; those of the role
        ``features`` are of the video.
        """
        corpus, upstream = tmp_path / "corpus", {}
        (corpus / "data").mkdir(parents=True)
        (corpus / "data" / "00000.bin").touch()
        views = [tuple(item[3].split("+")) if len(item) > 3 else ("video",) for item in items]
        Manifest(
            corpus="ucf101",
            reader="ucf101",
            preparation={},
            items=[
                ManifestItem(
                    id=f"{number:03d}",
                    labels=tuple(label.split("+")),
                    # Fold 1 is the other way round: whoever asks for 2 must not get it.
                    splits={"1": {"train": "test", "test": "train"}[split], "2": split},
                    group=group,
                    views=own,
                )
                for number, ((label, split, group, *_), own) in enumerate(
                    zip(items, views, strict=True)
                )
            ],
            num_official={"2/train": 500, "2/test": 300},
            log_mel_mean=None,
            log_mel_std=None,
            versions={},
            source="",
            data="data",
        ).write(corpus)
        for role, array in {"features": features, **roles}.items():
            if array is None:
                continue
            view = "audio" if role == "audio" else "video"
            positions = np.array([p for p, own in enumerate(views) if view in own])
            upstream[role] = tmp_path / role
            upstream[role].mkdir()
            arrays = {"features": array.astype(np.float32)[positions], "positions": positions}
            save_file(arrays, upstream[role] / FEATURES)
        return {"corpora": {"ucf101": corpus}, "upstream": upstream}

    return write


@pytest.fixture
def pretrained(settings, tmp_path) -> Callable[..., tuple[Method, Path]]:
    """Makes a method with statistics and scales unlike those of a fresh one, and its folder."""

    def make(phase: str = "co_training", **method: object) -> tuple[Method, Path]:
        torch.manual_seed(0)
        pretrain = Pretrain.model_validate(
            {**settings, "method": method, "phase": phase, "epochs": 1}
        )
        made = methods.build(pretrain.method, pretrain.phase, pretrain.encoders, facts(3))
        for tensor in made.state_dict().values():
            if tensor.is_floating_point() and tensor.ndim < 2:
                tensor.uniform_(0.5, 1.5)
        folder = tmp_path / "pretrained"
        folder.mkdir(exist_ok=True)
        save_weights(made, folder, pretrain, facts(3))
        return made.eval(), folder

    return make
