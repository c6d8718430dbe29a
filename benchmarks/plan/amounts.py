"""Amounts as text, with as many digits as are known."""

from collections.abc import Iterable


def figure(value: float) -> str:
    """Two significant digits; no more is known."""
    rounded = float(f"{value:.2g}")
    return f"{rounded:,.0f}" if rounded >= 10 else f"{rounded:g}"


def duration(seconds: float) -> str:
    """Seconds as minutes, hours or days."""
    for unit, length in (("days", 86400), ("hours", 3600)):
        if seconds >= 2 * length:
            return f"{figure(seconds / length)} {unit}"
    return f"{figure(seconds / 60)} minutes"


def num_bytes(count: float) -> str:
    """Bytes as kB, MB, GB or TB."""
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if count >= size:
            return f"{figure(count / size)} {unit}"
    return f"{figure(count / 1e3)} kB"


def rate(bytes_per_second: float) -> str:
    """Bytes per second."""
    return f"{num_bytes(bytes_per_second)}/s"


def numbers(values: Iterable[int]) -> str:
    """Whole numbers in order, each once; three or more in a row as ``first to last``."""
    runs: list[list[int]] = []
    for value in sorted(set(values)):
        if runs and value == runs[-1][-1] + 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    words = [[f"{run[0]} to {run[-1]}"] if len(run) > 2 else list(map(str, run)) for run in runs]
    return ", ".join(word for run in words for word in run)
