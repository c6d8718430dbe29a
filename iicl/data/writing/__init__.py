"""Writes the shards of a prepared corpus and decides what has to be decoded for them."""
