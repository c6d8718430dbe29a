"""The entries of :mod:`iicl.interpretations`, one file for each part of the paper."""
