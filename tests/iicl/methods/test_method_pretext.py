"""Every method answers its question about test items, the same way each time."""

from collections.abc import Callable
from pathlib import Path

import pytest

from iicl.evaluation import pretext
from iicl.protocols import Pretext
from iicl.training import pretrain
from tests.iicl.context import context
from tests.iicl.methods.every_method import NAMES, TRAINED

pytestmark = pytest.mark.usefixtures("examples")


@pytest.mark.parametrize("name", NAMES)
def test_it_is_asked_about_test_items(
    name: str, phases: Callable, corpora: dict[str, Path], tmp_path: Path
) -> None:
    upstream: dict[str, Path] = {}
    for phase in phases(name):
        out = tmp_path / phase.phase
        out.mkdir()
        untrained = phase.model_copy(update={"epochs": 0})
        pretrain.run(untrained, context(out, corpora=corpora, upstream=upstream))
        upstream = {"previous": out}
    stage = Pretext(
        corpus=phase.corpus, batch_size=2, clip=phase.clip, precision=phase.precision, seed=1
    )
    results = [
        pretext.run(stage, context(tmp_path, corpora=corpora, upstream={"encoder": out}))
        for _ in range(2)
    ]
    for key in ("metrics", "chance", "item_errors"):
        assert results[0][key] == results[1][key]
    accuracy, chance = (results[0][key]["accuracy"] for key in ("metrics", "chance"))
    assert (accuracy is None) == (chance is None)
    assert results[0]["num_evaluated"] + results[0]["num_left_out"] > 0
    if name in TRAINED and accuracy is not None:
        assert 0 <= accuracy <= 1
        assert 0 < chance < 1
