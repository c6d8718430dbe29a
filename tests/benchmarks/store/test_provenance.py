"""What an attempt records of its code and of its precision."""

from pathlib import Path

import pytest
from damage import ODD, TEXTS, put

from benchmarks.store import provenance


def test_precision_is_that_of_the_gpus_and_not_of_the_launching_host() -> None:
    assert provenance.precision("auto", on_gpu=True) == "bf16"
    assert provenance.precision("float32", on_gpu=True) == "float32"
    with pytest.raises(ValueError, match="unknown precision 'half'; known: auto, bf16, float32"):
        provenance.precision("half", on_gpu=True)


@pytest.mark.parametrize("kind", [*TEXTS, *(kind for kind in ODD if kind != "unreadable")])
def test_code_that_does_not_say_its_commit_runs_nothing(tmp_path: Path, kind: str) -> None:
    (tmp_path / "COMMIT").write_text("0123456789+\n")
    assert provenance.commit(tmp_path) == "0123456789+"
    provenance.commit.cache_clear()
    if kind == "wrong-types":
        (tmp_path / "COMMIT").write_text("{}")
    put(kind, tmp_path / "COMMIT")
    with pytest.raises(ValueError, match="COMMIT is damaged: "):
        provenance.commit(tmp_path)
