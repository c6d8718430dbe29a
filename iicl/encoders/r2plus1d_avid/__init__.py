"""The R(2+1)D of AVID (Morgado et al., 2021)."""
