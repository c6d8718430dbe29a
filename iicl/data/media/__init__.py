"""Reads one source file of any kind and turns it into stored video packets and sound samples."""
