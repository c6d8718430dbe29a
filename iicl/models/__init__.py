"""Encoders, co-attention and projection heads."""
