"""Corpora: readers of official layouts, the prepared store, loading and view transforms."""
