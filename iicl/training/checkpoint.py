"""Checkpoints of a training: atomic, the last two kept, read without running pickled code."""

import hashlib
import io
import logging
import re
from pathlib import Path
from typing import Any

import torch

from iicl.constants import NUM_KEPT_CHECKPOINTS
from iicl.files import write_atomically

NUM_DIGEST_BYTES = hashlib.sha256().digest_size
_NAME = re.compile(r"step-(\d{9})\.pt")
logger = logging.getLogger(__name__)


def save(folder: Path, step: int, state: dict[str, Any]) -> None:
    """Write the state after ``step`` optimiser steps, then remove all but it and the one before.

    The file begins with the sha256 of the saved state; what ``torch.save`` made of it follows.

    A checkpoint of a later step is one that was passed over when the training was resumed; it goes
    too, as does what a killed attempt left half written.

    Args:
        folder: where the checkpoints of this training lie; made if absent.
        step: number of finished steps, >= 0.
        state: tensors and plain containers only.

    Raises:
        OSError: if it cannot be written; the checkpoints before it stay.
    """
    folder.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    torch.save(state, buffer)
    for half_written in folder.glob(".step-*.tmp"):
        half_written.unlink()
    content = buffer.getvalue()
    digest = hashlib.sha256(content).digest()
    write_atomically(folder / f"step-{step:09d}.pt", digest + content)
    checkpoints = _newest_first(folder)
    kept = [path for number, path in checkpoints if number <= step][:NUM_KEPT_CHECKPOINTS]
    for _, path in checkpoints:
        if path not in kept:
            path.unlink()


def load_latest(folder: Path) -> tuple[int, dict[str, Any]] | None:
    """The newest readable checkpoint as ``(step, state)`` on the CPU; None if there is none at all.

    A newest checkpoint that cannot be read is passed over with a warning that names it.

    Raises:
        ValueError: if there are checkpoints and none of them can be read.
    """
    checkpoints = _newest_first(folder)
    for step, path in checkpoints:
        try:
            content = path.read_bytes()
            digest, saved = content[:NUM_DIGEST_BYTES], content[NUM_DIGEST_BYTES:]
            if hashlib.sha256(saved).digest() != digest:
                raise ValueError("its content does not give its digest")
            return step, torch.load(io.BytesIO(saved), map_location="cpu", weights_only=True)
        except Exception as error:  # damaged bytes unpickle to whatever error they happen to
            logger.warning("checkpoint %s is damaged and passed over: %s", path, error)
    if checkpoints:
        raise ValueError(
            f"no checkpoint in {folder} can be read: {[p.name for _, p in checkpoints]}"
        )
    return None


def _newest_first(folder: Path) -> list[tuple[int, Path]]:
    """Checkpoints in a folder, newest first."""
    matches = ((_NAME.fullmatch(p.name), p) for p in folder.glob("step-*.pt"))
    return sorted(((int(m[1]), p) for m, p in matches if m), reverse=True)
