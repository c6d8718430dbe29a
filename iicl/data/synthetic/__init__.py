"""Generates audio-visual corpora and writes them in the official layouts of real corpora."""
