"""Frames of an item as normalised RGB."""

REQUIRES: str | None = "video"
ENCODER: str | None = "r2plus1d"
TAKES: frozenset[str] = frozenset(
    {"item", "time", "of", "stride", "num_frames", "size", "augmentation_of"}
)
