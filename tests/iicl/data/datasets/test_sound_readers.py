"""Readers of corpora without pictures: DCASE 2013 and ESC-50, and what prepare makes of them."""

import os
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from iicl.config import Preparation
from iicl.data import datasets
from iicl.data.datasets import dcase2013, esc50
from iicl.data.manifest import Manifest
from iicl.data.prepare import prepare
from iicl.data.store import PreparedCorpus

REAL = Path(os.environ.get("IICL_REAL_DATA", Path(__file__).parents[4] / ".." / "shared" / "data"))


def prepared(reader: str, root: Path, out: Path) -> Manifest:
    return prepare(
        reader, root, out, corpus=reader, preparation=Preparation(short_side=32), num_workers=1
    )


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_dcase2013_folders_are_splits_and_stems_are_labels(tmp_path: Path) -> None:
    touch(tmp_path, "scenes_stereo/tubestation10.wav", "scenes_stereo/bus01.wav")
    touch(tmp_path, "scenes_stereo_testset/bus01.wav", "scenes_stereo/README.txt")
    assert datasets.detect("dcase2013", tmp_path) == "dcase2013"
    listing = dcase2013.discover(tmp_path)
    assert [(item.id, item.labels, item.splits["1"]) for item in listing.items] == [
        ("scenes_stereo/bus01.wav", ("bus",), "train"),
        ("scenes_stereo/tubestation10.wav", ("tubestation",), "train"),
        ("scenes_stereo_testset/bus01.wav", ("bus",), "test"),
    ]
    assert len({item.group for item in listing.items}) == 3
    assert listing.num_official == {"1/train": 2, "1/test": 1}


def test_dcase2013_refuses_half_a_corpus_and_names_without_label(tmp_path: Path) -> None:
    touch(tmp_path, "scenes_stereo/bus01.wav")
    with pytest.raises(ValueError, match=r"needs the folder .*scenes_stereo_testset"):
        dcase2013.discover(tmp_path)
    (tmp_path / "scenes_stereo_testset").mkdir()
    with pytest.raises(ValueError, match=r"no wav file in .*testset"):
        dcase2013.discover(tmp_path)
    touch(tmp_path, "scenes_stereo_testset/01.wav")
    with pytest.raises(ValueError, match=r"01\.wav is not named"):
        dcase2013.discover(tmp_path)


def test_a_stereo_recording_becomes_the_mean_of_its_channels_at_16_khz(
    tmp_path: Path, write_clip: Callable[..., Path]
) -> None:
    def sound(times: np.ndarray) -> np.ndarray:
        left, right = (np.sin(2 * np.pi * hertz * times) for hertz in (500, 1250))
        return np.stack([0.5 * left, 0.25 * right])

    for folder in dcase2013.MARKERS:
        write_clip(
            tmp_path / folder / "bus01.wav",
            seconds=30,
            fps=1,
            rate=44_100,
            channels=2,
            sound=sound,
            video=False,
        )
    manifest = prepared("dcase2013", tmp_path, tmp_path.with_name(f"{tmp_path.name}-out"))
    assert [item.views for item in manifest.items] == [("audio",)] * 2
    assert [item.num_samples for item in manifest.items] == [480_000] * 2
    samples = (
        PreparedCorpus.open(tmp_path.with_name(f"{tmp_path.name}-out")).read_audio(0, 0, 480_000)
        / 32768
    )
    times = np.arange(480_000) / 16_000
    inside = slice(1000, -1000)
    np.testing.assert_allclose(samples[inside], sound(times).mean(0)[inside], atol=2e-3)


def test_esc50_reads_the_table(tmp_path: Path) -> None:
    touch(tmp_path, "audio/1-85362-A-0.wav", "audio/5-9-B-20.wav", "audio/not-listed.wav")
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta" / "esc50.csv").write_text(
        "filename,fold,target,category,esc10,src_file,take\n1-85362-A-0.wav,1,0,dog,True,85362,A\n"
        "1-85362-B-0.wav,1,0,dog,True,85362,B\n5-9-B-20.wav,5,20,crying_baby,True,9,B\n"
    )
    assert datasets.detect("esc50", tmp_path) == "esc50"
    listing = esc50.discover(tmp_path)
    first, lost, last = listing.items
    assert first.path == tmp_path / "audio" / "1-85362-A-0.wav"
    assert (first.labels, lost.path, last.labels) == (("dog",), None, ("crying_baby",))
    assert first.group == lost.group == "85362"
    assert first.splits == {"1": "test", "2": "train", "3": "train", "4": "train", "5": "train"}
    assert last.splits["5"] == "test"
    assert listing.num_official["1/test"] == 2
    assert listing.num_official["2/train"] == 3


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("filename,fold\nx.wav,1\n", "needs the columns filename, fold, category, src_file"),
        ("filename,fold,category,src_file\nx.wav,6,dog,1\n", r"esc50.csv:2.*fold 1-5"),
        ("filename,fold,category,src_file\nx.wav,1,dog\n", r"esc50.csv:2"),
        (
            "filename,fold,category,src_file\n" + "x.wav,1,dog,1\n" * 2,
            "csv:3: 'x.wav' is listed twice",
        ),
        ("filename,fold,category,src_file\n", "ESC-50 needs"),
    ],
)
def test_esc50_refuses_wrong_tables(tmp_path: Path, table: str, message: str) -> None:
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta" / "esc50.csv").write_text(table)
    with pytest.raises(ValueError, match=message):
        esc50.discover(tmp_path)


def test_esc50_refuses_a_name_without_fold(tmp_path: Path) -> None:
    touch(tmp_path, "001 - Dog bark/6-17092-A.ogg")
    with pytest.raises(ValueError, match=r"6-17092-A\.ogg is not named"):
        esc50.discover(tmp_path)


def test_a_vorbis_recording_is_prepared(tmp_path: Path) -> None:
    path = tmp_path / "001 - Dog bark" / "1-17092-A.ogg"
    path.parent.mkdir()
    tone = (9000 * np.sin(2 * np.pi * 440 * np.arange(88_200) / 44_100)).astype(np.int16)
    with av.open(str(path), "w") as container:
        options = {"strict": "experimental"}  # FFmpeg's own encoder
        stream = container.add_stream("vorbis", rate=44_100, layout="stereo", options=options)
        frame = av.AudioFrame.from_ndarray(tone.repeat(2)[None], format="s16", layout="stereo")
        frame.sample_rate = 44_100
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    (item,) = prepared("esc50", tmp_path, tmp_path.with_name(f"{tmp_path.name}-out")).items
    assert (item.views, item.labels) == (("audio",), ("Dog bark",))
    assert item.num_samples == pytest.approx(32_000, abs=500)  # whole blocks


def test_the_real_esc10_is_five_folds_of_whole_recordings(tmp_path: Path) -> None:
    root = REAL / "ESC-10"
    if not root.is_dir():
        pytest.skip(f"no real data at {REAL}")
    assert datasets.detect("esc50", root) == "esc50"
    listing = esc50.discover(root)
    assert len(listing.items) == 400
    assert listing.num_official == {
        f"{fold}/{split}": num
        for fold in range(1, 6)
        for split, num in (("test", 80), ("train", 320))
    }
    folds: dict[str, set[str]] = {}
    for item in listing.items:
        folds.setdefault(item.group, set()).update(
            fold for fold, split in item.splits.items() if split == "test"
        )
    assert len(folds) < 400
    assert all(len(fold) == 1 for fold in folds.values())
    assert len({item.labels for item in listing.items}) == 10

    chosen = [item.path for item in listing.items[::80] if item.path]
    for path in chosen:
        copy = tmp_path / path.relative_to(root)
        copy.parent.mkdir()
        copy.write_bytes(path.read_bytes())
    manifest = prepared("esc50", tmp_path, tmp_path.with_name(f"{tmp_path.name}-out"))
    assert [item.views for item in manifest.items] == [("audio",)] * 5
    assert all(4.5 * 16_000 < item.num_samples <= 5.1 * 16_000 for item in manifest.items)
