"""A checkout that is ready for launches on a cluster."""

import fake_stages
import pytest
from fake_checkout import Checkout

from benchmarks import run
from benchmarks.launch import request


@pytest.fixture
def prepared(checkout: Checkout) -> Checkout:
    """A checkout with prepared corpora, and with finished runs of a seed that no test asks for."""
    assert checkout.run("--yes", "--seeds", "99") == 0
    words = ["--table", "I", "--scale", "smoke", "--home", str(checkout.home.root)]
    arguments = run.parser().parse_args(words)
    for corpus in request.read(arguments, fake_stages, checkout.folder).plan().used_corpora():
        fake_stages.prepare(
            corpus.name, None, corpus.generate, {}, corpus.path, 1, lambda done, total: None
        )
    return checkout
