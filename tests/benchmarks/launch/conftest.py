"""A checkout that is ready for launches on a cluster."""

import pytest
from fake_checkout import Checkout


@pytest.fixture
def prepared(checkout: Checkout) -> Checkout:
    """A checkout whose corpora are prepared, by runs of a seed that no test asks for."""
    assert checkout.run("--yes", "--seeds", "99") == 0
    return checkout
