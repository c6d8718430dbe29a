"""The audio network of AVID (Morgado et al., 2021)."""
