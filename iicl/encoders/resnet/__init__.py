"""A ResNet on log-mel spectrograms (paper III-A and IV-B)."""
