"""Group of an item."""

REQUIRES: str | None = None
ENCODER: str | None = None
TAKES: frozenset[str] = frozenset()
