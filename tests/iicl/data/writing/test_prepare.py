import dataclasses
import errno
import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from iicl.config import Clip, Preparation
from iicl.data import prepare as module
from iicl.data.manifest import Manifest, ManifestItem, read_header
from iicl.data.prepare import (
    Survey,
    assemble,
    prepare,
    prepare_part,
    survey,
)
from iicl.data.store import PreparedCorpus
from iicl.data.transforms import log_mel
from iicl.data.writing.plan import ITEMS_PER_SHARD

REAL = Path(os.environ.get("IICL_REAL_DATA", Path(__file__).parents[4] / ".." / "shared" / "data"))
ROOT = Path(__file__).parents[4]
SMALL = Preparation(short_side=32)


def run(source: Path, out: Path, num_workers: int = 1, **options: object) -> Manifest:
    settings = {"corpus": "small", "preparation": SMALL} | options
    return prepare("folder", source, out, num_workers=num_workers, **settings)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def source(write_clip: Callable, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three shards of tiny clips, and one of each kind of trouble."""
    root = tmp_path_factory.mktemp("source")
    first = write_clip(root / "a" / "0000.mkv", seconds=0.4)
    (root / "b").mkdir()
    for number in range(1, 2 * ITEMS_PER_SHARD + 4):
        shutil.copy(first, root / "ab"[number % 2] / f"{number:04d}.mkv")
    write_clip(root / "b" / "silent [1];#!&.mkv", seconds=0.4, rate=None)
    write_clip(root / "b" / "sound ünï.wav", seconds=0.4, video=False)
    (root / "b" / "empty.mp4").touch()
    (root / "b" / "text.mp4").write_text("no clip\n" * 50)
    (root / "b" / "broken.mp4").symlink_to("nowhere")
    shutil.copy(first, root / "b" / "two\nlines.mkv")
    shutil.copy(first, root / "b" / os.fsdecode(b"not utf-8 \xff\xfe.mkv"))
    return root


@pytest.fixture(scope="session")
def prepared(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("prepared") / "corpus"
    run(source, out)
    return out


def test_everything_is_listed_with_its_reason(source: Path, prepared: Path) -> None:
    manifest = Manifest.read(prepared)
    assert len(manifest.items) == sum(not path.is_dir() for path in source.rglob("*"))
    troubled = {item.id: (item.views, item.reason) for item in manifest.items if item.reason}
    assert troubled.keys() == {
        "b/silent [1];#!&.mkv",
        "b/sound ünï.wav",
        "b/empty.mp4",
        "b/text.mp4",
        "b/broken.mp4",
    }
    assert troubled["b/silent [1];#!&.mkv"] == (("video",), "no audio stream")
    assert troubled["b/sound ünï.wav"] == (("audio",), "no video stream")
    assert troubled["b/empty.mp4"] == ((), "empty file")
    assert troubled["b/broken.mp4"] == ((), "the link leads to no file: No such file or directory")
    assert troubled["b/text.mp4"][0] == ()
    assert "not readable as media" in troubled["b/text.mp4"][1]
    header = read_header(prepared)
    assert header is not None
    assert header["num_items"] - header["num_usable"] == 3
    assert header["hash"] == manifest.hash


def test_a_second_run_decodes_nothing(
    source: Path, prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_prepare_shards", None)
    before = (prepared / "manifest.jsonl").stat().st_mtime_ns
    assert run(source, prepared).hash == Manifest.read(prepared).hash
    assert (prepared / "manifest.jsonl").stat().st_mtime_ns == before


def test_a_changed_source_is_prepared_beside_the_old(
    write_clip: Callable, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_clip(tmp_path / "source" / "a" / "x.mkv", seconds=0.4)
    old = run(tmp_path / "source", tmp_path / "out")
    reader = PreparedCorpus.open(tmp_path / "out")
    write_clip(tmp_path / "source" / "a" / "y.mkv", seconds=0.4)
    with caplog.at_level(logging.WARNING):
        new = run(tmp_path / "source", tmp_path / "out")
    assert "changed" in caplog.text
    assert (len(old.items), len(new.items)) == (1, 2)
    assert old.hash != new.hash
    assert old.data != new.data
    assert reader.read_audio(0, 0, 100).any()
    other = run(tmp_path / "source", tmp_path / "out", preparation=Preparation(short_side=16))
    assert other.hash != new.hash


def test_kill_and_resume_gives_the_same_manifest(
    source: Path, prepared: Path, tmp_path: Path
) -> None:
    code = f"""
import os, signal
from pathlib import Path
from iicl.config import Preparation
from iicl.data.prepare import prepare

def progress(done, total):
    if done == {ITEMS_PER_SHARD} + 30:
        os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    prepare("folder", Path({str(source)!r}), Path({str(tmp_path / "out")!r}), corpus="small",
            preparation=Preparation(short_side=32), num_workers=1, progress=progress)
"""
    script = tmp_path / "killed.py"
    script.write_text(code)
    killed = subprocess.run(
        [sys.executable, str(script)], env=os.environ | {"PYTHONPATH": str(ROOT)}, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert read_header(tmp_path / "out") is None
    shards = list((tmp_path / "out").glob("*/00000.bin"))
    assert len(shards) == 1
    stamp = shards[0].stat().st_mtime_ns
    calls: list[int] = []
    manifest = run(source, tmp_path / "out", progress=lambda done, total: calls.append(done))
    assert shards[0].stat().st_mtime_ns == stamp
    assert calls == sorted(calls)
    assert calls[-1] == len(manifest.items)
    assert manifest.hash == Manifest.read(prepared).hash


def flip(path: Path, old: bytes | None = None) -> None:
    """Changes one byte: in the middle, or the second one of ``old``."""
    content = bytearray(path.read_bytes())
    content[content.index(old) + 1 if old else len(content) // 2] ^= 1
    path.write_bytes(content)


def stamps(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def copy(prepared: Path, tmp_path: Path) -> Path:
    shutil.copytree(prepared, tmp_path / "copy")
    return tmp_path / "copy"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


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


def test_the_number_of_workers_changes_nothing(
    source: Path, prepared: Path, tmp_path: Path
) -> None:
    assert run(source, tmp_path / "out", num_workers=2) == Manifest.read(prepared)


def test_a_corpus_with_nothing_usable_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "source" / "a").mkdir(parents=True)
    (tmp_path / "source" / "a" / "x.mp4").touch()
    with pytest.raises(ValueError, match=r"nothing usable among the 1 items.*empty file"):
        run(tmp_path / "source", tmp_path / "out")
    assert read_header(tmp_path / "out") is None


def test_a_file_that_can_be_read_at_last_is_a_changed_source(
    write_clip: Callable, tmp_path: Path
) -> None:
    write_clip(tmp_path / "source" / "a" / "x.mkv", seconds=0.4)
    (tmp_path / "source" / "a" / "y.mkv").symlink_to(tmp_path / "later.mkv")
    before = run(tmp_path / "source", tmp_path / "out")
    assert [bool(item.views) for item in before.items] == [True, False]
    write_clip(tmp_path / "later.mkv", seconds=0.4)
    after = run(tmp_path / "source", tmp_path / "out")
    assert [bool(item.views) for item in after.items] == [True, True]


def test_log_mel_statistics_are_those_of_the_sound(prepared: Path) -> None:
    corpus = PreparedCorpus.open(prepared)
    windows = [corpus.read_audio(position, 0, 32_000) for position in corpus.select(["audio"])]
    values = log_mel(torch.from_numpy(np.stack(windows)), Clip()).double()
    assert corpus.manifest.log_mel_mean == pytest.approx(values.mean().item(), abs=1e-5)
    assert corpus.manifest.log_mel_std == pytest.approx(values.std().item(), abs=1e-5)


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


def test_a_row_survives_its_text() -> None:
    item = ManifestItem(
        "名/\udcff", ("a",), {"1": "test"}, "g", ("audio",), "why", fps=30000 / 1001
    )
    assert ManifestItem.from_json(item.to_json()) == item


def test_a_full_disk_is_a_clear_error_and_keeps_the_last_state(
    write_clip: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_clip(tmp_path / "source" / "a" / "x.mkv", seconds=0.4)
    out = tmp_path / "out"
    old = run(tmp_path / "source", out)
    write_clip(tmp_path / "source" / "a" / "y.mkv", seconds=0.4)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)  # of the manifest: the shards' is in another process
    with pytest.raises(OSError, match="disk is full while preparing"):
        run(tmp_path / "source", out)
    monkeypatch.undo()
    assert Manifest.read(out) == old
    assert not list(out.rglob("*.tmp"))


def run_part(source: Path, out: Path, part: int, num_parts: int) -> list[ManifestItem]:
    return prepare_part(
        "folder", source, out, part=part, num_parts=num_parts, preparation=SMALL, num_workers=1
    )


def start_part(source: Path, out: Path, part: int, num_parts: int) -> subprocess.Popen:
    code = f"""
from pathlib import Path
from iicl.config import Preparation
from iicl.data.prepare import prepare_part
prepare_part("folder", Path({str(source)!r}), Path({str(out)!r}), part={part},
             num_parts={num_parts}, preparation=Preparation(short_side=32), num_workers=1)
"""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-c", code], env=environment)


def run_assemble(source: Path, out: Path, corpus: str = "small") -> Manifest:
    return assemble("folder", source, out, corpus=corpus, preparation=SMALL)


def look(source: Path, out: Path, **options: object) -> Survey:
    settings = {"corpus": "small", "preparation": SMALL} | options
    return survey("folder", source, out, **settings)  # type: ignore[arg-type]


def test_processes_side_by_side_make_the_corpus_of_one(
    source: Path, prepared: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    processes = [start_part(source, out, part, 3) for part in (0, 0, 1, 2)]  # one of them twice
    assert [process.wait() for process in processes] == [0] * 4
    assert read_header(out) is None
    assert run_assemble(source, out) == Manifest.read(prepared)
    assert contents(out) == contents(prepared)


def test_more_parts_than_shards_leave_some_empty(
    source: Path, prepared: Path, tmp_path: Path
) -> None:
    parts = [run_part(source, tmp_path / "out", part, 5) for part in (4, 2, 0, 3, 1)]
    shards = [{row.shard for row in rows} for rows in parts]
    assert shards == [set(), {2}, {0}, set(), {1}]
    assert run_assemble(source, tmp_path / "out") == Manifest.read(prepared)
    assert contents(tmp_path / "out") == contents(prepared)


def test_a_killed_part_goes_on_with_what_is_missing(source: Path, tmp_path: Path) -> None:
    script = tmp_path / "killed.py"
    script.write_text(f"""
import os, signal
from pathlib import Path
from iicl.config import Preparation
from iicl.data import prepare as module
from iicl.data.writing.shards import prepare_shard

def killed_at_the_second(shard, context, earlier):
    if shard.number:
        os.kill(os.getppid(), signal.SIGKILL)
        os._exit(1)
    prepare_shard(shard, context, earlier)

if __name__ == "__main__":
    module.prepare_shard = killed_at_the_second
    module.prepare_part(
        "folder", Path({str(source)!r}), Path({str(tmp_path / "out")!r}), part=0, num_parts=2,
        preparation=Preparation(short_side=32), num_workers=1,
    )
""")
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    killed = subprocess.run([sys.executable, str(script)], env=environment, check=False)
    assert killed.returncode == -signal.SIGKILL
    before = stamps(tmp_path / "out")
    assert before.keys() == {".lock", "00000.bin", "00000.jsonl", "00000.origins"}
    missing = r"2 of 3 shards of small are missing .* the first is number 1: .*00001\.jsonl is not"
    with pytest.raises(ValueError, match=missing):
        run_assemble(source, tmp_path / "out")
    assert {row.shard for row in run_part(source, tmp_path / "out", 0, 2)} == {0, 2}
    after = stamps(tmp_path / "out")
    assert after.keys() - before.keys() == {"00002.bin", "00002.jsonl", "00002.origins"}
    assert before.items() <= after.items()


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


def test_nothing_usable_in_any_part_is_an_error_of_the_whole(tmp_path: Path) -> None:
    (tmp_path / "source" / "a").mkdir(parents=True)
    (tmp_path / "source" / "a" / "x.mp4").touch()
    (row,) = run_part(tmp_path / "source", tmp_path / "out", 0, 1)
    assert row.reason == "empty file"
    with pytest.raises(ValueError, match=r"nothing usable among the 1 items.*empty file"):
        run_assemble(tmp_path / "source", tmp_path / "out")


@pytest.mark.parametrize(("part", "num_parts"), [(-1, 3), (3, 3), (0, 0)])
def test_a_part_beyond_the_last_is_an_error(
    source: Path, tmp_path: Path, part: int, num_parts: int
) -> None:
    with pytest.raises(ValueError, match=f"part {part} of {num_parts}: parts are numbered from 0"):
        run_part(source, tmp_path / "out", part, num_parts)
    assert not (tmp_path / "out").exists()


def test_a_survey_sees_what_is_prepared_and_touches_nothing(
    source: Path, prepared: Path, tmp_path: Path
) -> None:
    nothing = look(source, tmp_path / "out")
    assert nothing == Survey(current=False, num_shards=3, fingerprint=nothing.fingerprint)
    assert not (tmp_path / "out").exists()
    before = stamps(prepared)
    assert look(source, prepared) == dataclasses.replace(nothing, current=True)
    assert not look(source, prepared, corpus="other").current
    other = look(source, prepared, preparation=Preparation(short_side=16))
    assert not other.current
    assert other.fingerprint != nothing.fingerprint
    assert stamps(prepared) == before


def test_a_source_that_changes_after_its_parts_is_not_assembled(
    write_clip: Callable, tmp_path: Path
) -> None:
    source, out = tmp_path / "source", tmp_path / "out"
    clip = write_clip(source / "a" / "x.mkv", seconds=0.4)
    run_part(source, out, 0, 1)
    assert not look(source, out).current
    run_assemble(source, out)
    assert look(source, out).current
    os.utime(clip, ns=(0, 0))
    assert not look(source, out).current
    with pytest.raises(ValueError, match="1 of 1 shards of small are missing"):
        run_assemble(source, out)
    run_part(source, out, 0, 1)
    run_assemble(source, out)
    assert look(source, out).current


def test_every_real_file_is_prepared_or_listed_with_a_reason(tmp_path: Path) -> None:
    if not (REAL / "loader_clips").is_dir():
        pytest.skip(f"no real data at {REAL}")
    manifest = run(REAL / "loader_clips", tmp_path / "out", num_workers=2)
    assert len(manifest.items) == len(list((REAL / "loader_clips").iterdir()))
    unusable = [item for item in manifest.items if not item.views]
    assert [item.id for item in unusable] == ["README.torchvision"]
    assert all(item.reason for item in manifest.items if len(item.views) < 2)
    reasons = {item.id: item.reason for item in manifest.items}
    assert "decoding fails for 1 of 50 video packets" in reasons["corrupted.mp4"]
    corpus = PreparedCorpus.open(tmp_path / "out")
    for position, item in enumerate(manifest.items):
        if "video" in item.views:
            assert min(item.height, item.width) == 32
            assert item.num_frames > 8
            out = np.zeros((1, 3 * item.height // 2, item.width), np.uint8)
            corpus.read_video(position, [item.num_frames - 1], out)
            assert out.std() > 1
