"""Place of an item in the list that a run reads."""

REQUIRES: str | None = None
ENCODER: str | None = None
TAKES: frozenset[str] = frozenset()
