import json
from pathlib import Path

import pytest
from damage import ODD, TEXTS, put

from benchmarks import stages
from iicl.data.synthetic.write import generate


def test_the_parts_of_a_real_copy_make_the_corpus_that_prepare_makes(tmp_path: Path) -> None:
    source, out, whole = tmp_path / "source", tmp_path / "out", tmp_path / "whole"
    generate("ucf101", source, num_items=72, seed=1)
    preparation = {"short_side": 32, "max_fps": 8.0}
    *found, fingerprint = stages.survey("ucf101", source, preparation, out)
    assert found == [False, 2]
    totals = []
    for part in range(2):
        calls: list[tuple[int, int]] = []
        stages.prepare_part(
            "ucf101", source, preparation, out, part, 2, 1, lambda *c, calls=calls: calls.append(c)
        )
        done, total = calls[-1]
        assert done == total
        totals.append(total)
    assert totals == [64, 8]
    header = stages.assemble("ucf101", source, preparation, out)
    assert header == stages.corpus_header(out)
    assert header == stages.prepare(
        "ucf101", source, None, preparation, whole, 1, lambda done, total: None
    )
    assert stages.survey("ucf101", source, preparation, out) == (True, 2, fingerprint)


@pytest.mark.parametrize("kind", [*TEXTS, *(kind for kind in ODD if kind != "unreadable")])
def test_a_damaged_manifest_is_one_line(tmp_path: Path, kind: str) -> None:
    sound = {"hash": "a", "reader": "ucf101", "num_items": 1, "num_usable": 1, "counts": {}}
    path = tmp_path / "manifest.jsonl"
    path.write_text(json.dumps({"format": 1, **sound}) + "\n")
    assert stages.corpus_header(tmp_path) == {"format": 1, **sound}
    if kind == "huge":  # a manifest may be: its first line is read, and no more
        put(kind, path)
        assert stages.corpus_header(tmp_path) == {"format": 1, **sound}
        return
    put(kind, path)
    with pytest.raises(ValueError, match="jsonl is damaged: ") as raised:
        stages.corpus_header(tmp_path)
    assert len(str(raised.value).splitlines()) == 1


def test_a_first_line_without_end_is_not_read_into_memory(tmp_path: Path) -> None:
    with (tmp_path / "manifest.jsonl").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(ValueError, match="its first line has no end"):
        stages.corpus_header(tmp_path)
