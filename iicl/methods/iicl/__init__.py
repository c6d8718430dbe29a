"""Inter-intra contrastive learning, the paper's method."""
