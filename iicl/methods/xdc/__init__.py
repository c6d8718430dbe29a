"""XDC: cross-modal deep clustering (Alwassel et al., 2020)."""
