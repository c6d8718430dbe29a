"""A procedural audio-visual world, written to disk in the official layouts of real corpora."""
