"""Corpora: from the media files of an official layout to batches for training.

- ``datasets/``: one reader for each official layout; ``lists`` and ``folders`` help them.
- ``media/``: reads one media file and encodes it as it is stored.
- ``writing/``: writes the shards of a prepared corpus; ``prepare`` and ``prune`` use it.
- ``manifest``, ``shard_folders``, ``store``: what a prepared corpus is on disk, and reading it.
- ``sampling``, ``loader``, ``workers``, ``transforms``: from a prepared corpus to batches.
- ``synthetic/``: generates corpora in official layouts.
- ``copies``: from a copy of a corpus, real or generated, to what is prepared from it.
"""
