"""AVID: audio-visual instance discrimination (Morgado et al., 2021)."""
