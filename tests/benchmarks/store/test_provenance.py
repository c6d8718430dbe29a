"""What an attempt records of its code."""

from pathlib import Path

import pytest
from damage import ODD, TEXTS, put

from benchmarks.store import provenance


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
