"""A short pretraining that is finished."""

import pytest

from iicl.pretraining import pretrain_phases
from tests.iicl.training.small_pretraining import LENGTH, run


@pytest.fixture
def stages(settings, corpora, tmp_path):
    """Both phases of a pretraining, finished: their configurations and folders."""
    phases = pretrain_phases(LENGTH, **settings)
    folders = [tmp_path / "first", tmp_path / "second"]
    run(phases[0], corpora, folders[0])
    run(phases[1], corpora, folders[1], previous=folders[0])
    return phases, folders
