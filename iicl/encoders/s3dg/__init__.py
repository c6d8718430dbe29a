"""S3D-G, an S3D with gates (Xie et al., 2018)."""
