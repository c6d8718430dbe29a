"""Derives one seed for each purpose from the seed of a run, so that no two streams coincide."""

import hashlib


def derive_seed(seed: int, *purpose: str | int) -> int:
    """A 63-bit seed that depends on ``seed`` and on every part of ``purpose``.

    The same arguments give the same value on every machine, Python version and process.

    Args:
        seed: the seed of the run, >= 0.
        purpose: what the stream is for, for example ``("order", epoch)``.

    Raises:
        ValueError: if ``seed`` is negative.
    """
    if seed < 0:
        raise ValueError(f"seed must be >= 0, got {seed}")
    text = "\x1f".join([str(seed), *(f"{type(part).__name__}:{part}" for part in purpose)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
