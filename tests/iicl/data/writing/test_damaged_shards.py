"""A damaged shard is found, and prepared again."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from iicl.data.manifest import Manifest, read_header
from iicl.data.store import PreparedCorpus
from tests.iicl.data.writing.small_corpus import (
    contents,
    flip,
    run,
    run_assemble,
    run_part,
    stamps,
)


@pytest.mark.parametrize(
    ("damage", "remade"),
    [
        (lambda folder: flip(folder / "00001.bin"), "00001"),
        (lambda folder: flip(folder / "00001.jsonl", b'"a"]'), "00001"),
        (lambda folder: flip(folder / "00001.jsonl", b'"num_samples'), "00001"),
        (lambda folder: (folder / "00000.jsonl").write_text(""), "00000"),
        (lambda folder: (folder / "00000.bin").unlink(), "00000"),
    ],
)
def test_going_on_trusts_no_damaged_shard(
    source: Path, prepared: Path, copy: Path, damage: Callable[[Path], None], remade: str
) -> None:
    (copy / "manifest.jsonl").unlink()
    (folder,) = copy.glob("*/")
    before = stamps(folder)
    damage(folder)
    assert run(source, copy) == Manifest.read(prepared)
    assert contents(copy) == contents(prepared)
    after = stamps(folder)
    assert {name[:5] for name in after if after[name] != before.get(name)} == {remade}


def test_verify_finds_and_mends_a_changed_byte(source: Path, prepared: Path, copy: Path) -> None:
    (shard,) = copy.glob("*/00001.bin")
    before = stamps(copy)
    assert run(source, copy, verify=True) == Manifest.read(prepared)
    assert stamps(copy) == before
    flip(shard)
    run(source, copy)  # looks at sizes only
    assert contents(copy) != contents(prepared)
    assert run(source, copy, verify=True) == Manifest.read(prepared)
    assert contents(copy) == contents(prepared)


@pytest.mark.parametrize(
    "damage",
    [
        lambda copy: next(copy.glob("*/00001.bin")).write_bytes(b"short"),
        lambda copy: flip(copy / "manifest.jsonl", b'"a"]'),
        lambda copy: flip(copy / "manifest.jsonl", b'{"'),
    ],
)
def test_preparing_again_mends_what_cannot_be_opened(
    source: Path, prepared: Path, copy: Path, damage: Callable[[Path], None]
) -> None:
    damage(copy)
    with pytest.raises(ValueError, match=r"damaged|prepare again"):
        PreparedCorpus.open(copy)
    assert run(source, copy) == Manifest.read(prepared)
    assert contents(copy) == contents(prepared)


def test_a_lost_or_cut_shard_is_prepared_again(
    source: Path, prepared: Path, tmp_path: Path
) -> None:
    out = tmp_path / "corpus"
    shutil.copytree(prepared, out)
    first, second = sorted(out.glob("*/*.bin"))[:2]
    first.unlink()
    os.truncate(second, 10)
    with pytest.raises(ValueError, match=r"cut short: remove .*manifest\.jsonl and prepare again"):
        PreparedCorpus.open(out)
    (out / "manifest.jsonl").unlink()
    assert run(source, out).hash == Manifest.read(prepared).hash
    PreparedCorpus.open(out)


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (lambda folder: (folder / "00001.bin").unlink(), r"00001\.bin is not there"),
        (lambda folder: (folder / "00001.jsonl").unlink(), r"00001\.jsonl is not there"),
        (
            lambda folder: os.truncate(folder / "00001.bin", 10),
            r"00001\.bin has 10 bytes and not the [\d,]+ of its index",
        ),
        (
            lambda folder: (folder / "00001.bin").open("ab").write(b"more"),
            r"00001\.bin has .* bytes and not",
        ),
        (
            lambda folder: os.truncate(folder / "00001.jsonl", 100),
            r"00001\.jsonl is damaged",
        ),
        (
            lambda folder: (folder / "00001.jsonl").write_bytes(b""),
            r"00001\.jsonl is damaged: it does not list",
        ),
        (
            lambda folder: flip(folder / "00001.jsonl", b'"a"]'),
            r"00001\.jsonl is damaged: it does not list",
        ),
        (
            lambda folder: flip(folder / "00001.jsonl", b'"num_samples'),
            r"00001\.jsonl is damaged: TypeError",
        ),
        (
            lambda folder: shutil.copy(folder / "00000.jsonl", folder / "00001.jsonl"),
            r"00001\.jsonl is damaged: it does not list",
        ),
        (
            lambda folder: (folder / "00001.jsonl").write_text(
                (folder / "00001.jsonl").read_text().replace('"shard": 1', '"shard": 0', 1)
            ),
            r"00001\.jsonl is damaged: its payloads do not follow",
        ),
    ],
)
def test_a_damaged_shard_is_not_assembled_and_its_part_mends_it(
    source: Path, prepared: Path, copy: Path, damage: Callable[[Path], None], complaint: str
) -> None:
    (copy / "manifest.jsonl").unlink()
    (folder,) = copy.glob("*/")
    damage(folder)
    with pytest.raises(ValueError, match=f"1 of 3 shards .* the first is number 1: .*{complaint}"):
        run_assemble(source, copy)
    assert read_header(copy) is None
    run_part(source, copy, 1, 3)
    run_assemble(source, copy)
    assert contents(copy) == contents(prepared)


def test_a_changed_byte_is_found_by_its_part_and_not_by_assembling(
    source: Path, prepared: Path, copy: Path
) -> None:
    flip(next(copy.glob("*/00001.bin")))
    assert run_assemble(source, copy) == Manifest.read(prepared)
    run_part(source, copy, 0, 3)
    assert contents(copy) != contents(prepared)
    run_part(source, copy, 1, 3)
    assert contents(copy) == contents(prepared)
