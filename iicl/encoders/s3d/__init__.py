"""S3D, an Inception network of separable convolutions (Xie et al., 2018)."""
