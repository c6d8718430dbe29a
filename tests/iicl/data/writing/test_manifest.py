"""The manifest: its hash, its rows as text, and what is damaged in it."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from iicl.data.manifest import Manifest, ManifestItem


def test_the_hash_sees_what_training_sees(prepared: Path) -> None:
    manifest = Manifest.read(prepared)
    first, *rest = manifest.items
    for change in (
        {"digest": "0"},
        {"labels": ("z",)},
        {"splits": {"1": "test"}},
        {"views": ("video",)},
        {"fps": 1.0},
    ):
        changed = [dataclasses.replace(first, **change), *rest]
        assert dataclasses.replace(manifest, items=changed).hash != manifest.hash
    moved = [dataclasses.replace(first, shard=7, reason="because"), *rest]
    assert dataclasses.replace(manifest, items=moved).hash == manifest.hash


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text.replace('"b"', '"c"', 1), "damaged"),
        (lambda text: text[: len(text) // 2], "damaged"),
        (lambda text: text.replace('"format": 1', '"format": 0'), "prepare again"),
        (lambda text: "\xe9" + text, r"ordinal not in range\(128\); remove it and prepare"),
        (lambda text: "{}\n", "damaged"),
    ],
)
def test_a_damaged_manifest_is_an_error(
    prepared: Path, tmp_path: Path, damage: Callable[[str], str], message: str
) -> None:
    text = (prepared / "manifest.jsonl").read_text()
    (tmp_path / "manifest.jsonl").write_text(damage(text))
    with pytest.raises(ValueError, match=message):
        Manifest.read(tmp_path)


def test_a_row_survives_its_text() -> None:
    item = ManifestItem(
        "名/\udcff", ("a",), {"1": "test"}, "g", ("audio",), "why", fps=30000 / 1001
    )
    assert ManifestItem.from_json(item.to_json()) == item
