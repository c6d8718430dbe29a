from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from iicl.data.manifest import Manifest, ManifestItem
from iicl.evaluation.features import FEATURES


@pytest.fixture
def stored(tmp_path) -> Callable[..., dict[str, dict[str, Path]]]:
    """Writes a corpus without media and features of its items; returns where they are."""

    def write(
        items: list[tuple[str, str, str]], features: np.ndarray
    ) -> dict[str, dict[str, Path]]:
        """Items are (label, split of fold 2, group); features (N, K, D)."""
        corpus, folder = tmp_path / "corpus", tmp_path / "features"
        (corpus / "data").mkdir(parents=True)
        folder.mkdir()
        (corpus / "data" / "00000.bin").touch()
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
                    views=("video",),
                )
                for number, (label, split, group) in enumerate(items)
            ],
            num_official={"2/train": 500, "2/test": 300},
            log_mel_mean=None,
            log_mel_std=None,
            versions={},
            source="",
            data="data",
        ).write(corpus)
        positions = np.arange(len(items))
        arrays = {"features": features.astype(np.float32), "positions": positions}
        save_file(arrays, folder / FEATURES)
        return {"corpora": {"ucf101": corpus}, "upstream": {"features": folder}}

    return write
