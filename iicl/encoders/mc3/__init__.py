"""MC3, a residual network that convolves in time only at first (Tran et al., 2018)."""
