"""Quantities in words, with the digits that an estimate has."""


def figure(value: float) -> str:
    """Two significant digits; no more is known."""
    rounded = float(f"{value:.2g}")
    return f"{rounded:,.0f}" if rounded >= 10 else f"{rounded:g}"


def duration(seconds: float) -> str:
    """Two significant digits in days, hours or minutes."""
    for unit, length in (("days", 86400), ("hours", 3600)):
        if seconds >= 2 * length:
            return f"{figure(seconds / length)} {unit}"
    return f"{figure(seconds / 60)} minutes"


def size(num_bytes: float) -> str:
    """Two significant digits in TB, GB, MB or kB, powers of 1000."""
    for unit, length in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if num_bytes >= length:
            return f"{figure(num_bytes / length)} {unit}"
    return f"{figure(num_bytes / 1e3)} kB"


def rate(bytes_per_second: float) -> str:
    """As :func:`size`, per second."""
    return f"{size(bytes_per_second)}/s"
