"""AVID-CMA: AVID, then cross-modal agreement (Morgado et al., 2021)."""
