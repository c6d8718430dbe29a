"""R3D, a residual network of 3 x 3 x 3 convolutions (Tran et al., 2018)."""
