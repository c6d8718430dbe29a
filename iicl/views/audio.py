"""Sound of an item as a log-mel spectrogram."""

REQUIRES: str | None = "audio"
ENCODER: str | None = "resnet"
TAKES: frozenset[str] = frozenset({"item", "time", "of", "augmentation_of"})
