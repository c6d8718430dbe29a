"""The written corpora: official layouts, determinism, and what an interruption leaves."""

import csv
import hashlib
import json
import re
import wave
from collections import Counter, defaultdict
from pathlib import Path

import av
import numpy as np
import pytest

from iicl.data.synthetic import media
from iicl.data.synthetic.layouts import LAYOUTS, kinetics400, plan
from iicl.data.synthetic.layouts.ucf101 import held_out_groups
from iicl.data.synthetic.media import decode
from iicl.data.synthetic.world import CLASSES, World
from iicl.data.synthetic.write import MARKER, generate

# Sums over the decoded content of two items. A change means that other clips are generated: raise
# VERSION with it, so that no corpus of the old kind passes for one of the new.
GOLDEN = {
    "audioset": "827645a8b2859a53590bf46a4fb0082d5044ffc7c87bb905d299e3c5e1724751",
    "ucf101": "ae11093cb5acb427690abe1014c820d8a686dd07af86e8a639abc1ed8e1f8a3f",
    "kinetics400": "c9fc2a7e2b753e2f2ce631d7f801c83b3cf1eb9eb86ccbff42dddcae747213e9",
    "hmdb51": "812d6000a90eae4e6608bfe84e2ab52c8857e03c2555a08a1d86225f0ecf7b82",
    "dcase2013": "f645746836fc15e65cc33a42c375de855862c7aff9610fe4209906027ce9baf1",
}
NUM_ITEMS = {"audioset": 40, "ucf101": 72, "kinetics400": 40, "hmdb51": 48, "dcase2013": 20}
CODECS = {
    "audioset": ("h264", "alac"),
    "kinetics400": ("h264", "alac"),
    "ucf101": ("mpeg4", "pcm_s16le"),
    "hmdb51": ("mpeg4", "pcm_s16le"),
}
WORLD = World(scene_seconds=2.0)
SMALL = World(num_frames=4)


def digest_of_two(corpus: str, root: Path) -> str:
    total = hashlib.sha256()
    for item in plan(corpus, NUM_ITEMS[corpus], 0, WORLD)[:2]:
        clip = decode(root / item.path)
        for array in (clip.planes, clip.samples):
            total.update(array.tobytes() if array is not None else b"")
    return total.hexdigest()


def content(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def roots(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("corpora")
    for corpus, num_items in NUM_ITEMS.items():
        generate(corpus, folder / corpus, num_items=num_items, world=WORLD)
    return {corpus: folder / corpus for corpus in NUM_ITEMS}


@pytest.mark.parametrize("corpus", NUM_ITEMS)
def test_decoded_content_is_golden(corpus, roots):
    assert digest_of_two(corpus, roots[corpus]) == GOLDEN[corpus]


def test_workers_change_no_byte(tmp_path, roots):
    generate("ucf101", tmp_path / "two", num_items=72, num_workers=2, world=WORLD)
    assert content(tmp_path / "two") == content(roots["ucf101"])


@pytest.mark.parametrize("corpus", NUM_ITEMS)
def test_all_files_differ(corpus, roots):
    files = content(roots[corpus])
    clips = [files[item.path] for item in plan(corpus, NUM_ITEMS[corpus], 0, WORLD)]
    assert len(set(clips)) == len(clips)


@pytest.mark.parametrize("corpus", NUM_ITEMS)
def test_a_smaller_corpus_is_a_prefix(corpus, tmp_path, roots):
    fewer = len(LAYOUTS[corpus].KINDS) * LAYOUTS[corpus].LEAST
    items = plan(corpus, fewer, 0, WORLD)
    assert items == plan(corpus, 10 * fewer, 0, WORLD)[:fewer]
    media.write(tmp_path / Path(items[1].path).name, LAYOUTS[corpus].render(WORLD, 0, items[1]))
    (alone,) = content(tmp_path).values()
    assert alone == (roots[corpus] / items[1].path).read_bytes()


def test_another_seed_gives_other_items():
    paths = [{item.path for item in plan("audioset", 40, seed, World())} for seed in (0, 1)]
    assert paths[0].isdisjoint(paths[1])


@pytest.mark.parametrize("corpus", CODECS)
def test_every_clip_is_as_the_world_says(corpus, roots):
    world, classes = WORLD, CLASSES[corpus]
    for item in plan(corpus, NUM_ITEMS[corpus], 0, world):
        clip = decode(roots[corpus] / item.path)
        assert clip.planes.shape == (world.num_frames, world.height * 3 // 2, world.width)
        with av.open(str(roots[corpus] / item.path)) as container:
            video = container.streams.video[0]
            assert (video.width, video.height) == (world.width, world.height)
            assert video.average_rate == world.fps
            assert video.codec_context.name == CODECS[corpus][0]
            silent = classes[item.class_index].sound is None
            silent |= corpus == "kinetics400" and kinetics400.is_silent(world, 0, item)
            assert len(container.streams.audio) == (0 if silent else 1)
            if silent:
                assert clip.samples is None
                continue
            audio = container.streams.audio[0]
            assert audio.codec_context.name == CODECS[corpus][1]
            assert (audio.rate, audio.channels) == (16_000, 1)
        assert clip.samples.dtype == np.int16
        assert clip.samples.shape == (48_000,)
        assert np.abs(clip.samples.astype(int)).max() > 500


def test_every_recording_is_16_bit_stereo_at_44100_hz(roots):
    for item in plan("dcase2013", NUM_ITEMS["dcase2013"], 0, WORLD):
        with wave.open(str(roots["dcase2013"] / item.path)) as file:
            assert file.getparams()[:4] == (2, 2, 44_100, 88_200)
        levels = np.abs(decode(roots["dcase2013"] / item.path).samples.astype(float)).mean(0)
        assert levels.min() > 100
        assert levels[0] != levels[1]


def test_audioset_layout(roots):
    root = roots["audioset"]
    with open(root / "class_labels_indices.csv", newline="") as file:
        table = list(csv.DictReader(file))
    assert [int(row["index"]) for row in table] == list(range(len(CLASSES["audioset"])))
    assert [row["display_name"] for row in table] == [kind.name for kind in CLASSES["audioset"]]
    mids = {row["mid"]: row["display_name"] for row in table}

    listed: Counter[str] = Counter()
    num_labels: Counter[int] = Counter()
    for name, least in (("balanced_train_segments.csv", 30), ("eval_segments.csv", 4)):
        lines = (root / name).read_text().splitlines()
        assert all(line.startswith("# ") for line in lines[:3])
        assert lines[2] == "# YTID, start_seconds, end_seconds, positive_labels"
        assert all(re.fullmatch(r'[\w-]{11}, \d+\.000, \d+\.000, "[^" ]+"', x) for x in lines[3:])
        counts = dict(re.findall(r"(num_\w+)=(\d+)", lines[1]))
        rows = list(csv.reader(lines[3:], skipinitialspace=True))
        assert len(rows) >= least
        assert int(counts["num_ytids"]) == int(counts["num_segs"]) == len(rows)
        labels = [label for row in rows for label in row[3].split(",")]
        assert int(counts["num_positive_labels"]) == len(labels)
        assert int(counts["num_unique_labels"]) == len(set(labels))
        assert set(labels) <= set(mids)
        for youtube_id, start, end, positive in rows:
            assert float(end) - float(start) == World().seconds
            times = f"{round(1000 * float(start))}_{round(1000 * float(end))}"
            listed[f"{youtube_id}_{times}.mp4"] += 1
            num_labels[len(positive.split(","))] += 1
    assert listed == Counter(path.name for path in (root / "video").iterdir())
    assert set(num_labels) <= {1, 2}


def test_some_pretraining_items_carry_two_labels(tmp_path):
    world = World(num_frames=4, second_event=0.5)
    generate("audioset", tmp_path / "pairs", num_items=40, world=world)
    lists = (tmp_path / "pairs" / "balanced_train_segments.csv").read_text()
    labels = re.findall(r'"(.+)"', lists)
    assert 5 < sum("," in label for label in labels) < len(labels) - 5
    assert all(len(set(label.split(","))) == len(label.split(",")) for label in labels)


def test_ucf101_layout(roots):
    root = roots["ucf101"]
    lists = root / "ucfTrainTestlist"
    for path in lists.iterdir():
        raw = path.read_bytes()
        assert raw.endswith(b"\r\n")
        assert raw.count(b"\n") == raw.count(b"\r\n") == raw.count(b"\r")
    index = dict(line.split(" ") for line in (lists / "classInd.txt").read_text().splitlines())
    assert list(index) == [str(number) for number in range(1, len(CLASSES["ucf101"]) + 1)]
    assert sorted(index.values()) == sorted(kind.name for kind in CLASSES["ucf101"])
    numbers = {name: number for number, name in index.items()}

    files = {str(path.relative_to(root / "UCF-101")) for path in root.glob("UCF-101/*/*.avi")}
    assert len(files) == NUM_ITEMS["ucf101"]
    assert all(re.fullmatch(r"(\w+)/v_\1_g\d\d_c\d\d\.avi", name) for name in files)
    tested: Counter[str] = Counter()
    for fold in (1, 2, 3):
        train = (lists / f"trainlist0{fold}.txt").read_text().splitlines()
        test = (lists / f"testlist0{fold}.txt").read_text().splitlines()
        assert all(line.split(" ")[1] == numbers[line.split("/")[0]] for line in train)
        train = [line.split(" ")[0] for line in train]
        assert sorted(train + test) == sorted(files)
        groups = defaultdict(set)
        for side, names in (("train", train), ("test", test)):
            for name in names:
                groups[name.split("_c")[0]].add(side)
        assert all(len(sides) == 1 for sides in groups.values())
        assert {name.split("/")[0] for name in train} == set(numbers)
        assert {name.split("/")[0] for name in test} == set(numbers)
        tested.update(test)
    assert set(tested.values()) == {1}


def test_a_full_ucf101_has_all_groups_and_balanced_folds():
    items = plan("ucf101", 24 * 50, 0, World())
    per_class = Counter((item.class_index, item.group) for item in items)
    assert set(per_class.values()) == {2}
    assert len(per_class) == 24 * 25
    assert len({item.path for item in items}) == len(items)
    groups = [set(held_out_groups(fold)) for fold in (1, 2, 3)]
    assert set.union(*groups) == set(range(1, 25))
    assert sum(map(len, groups)) == 24


def test_a_complete_corpus_is_left_alone_and_another_is_refused(tmp_path):
    out = tmp_path / "corpus"
    generate("audioset", out, num_items=20, world=SMALL)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    calls: list[tuple[int, int]] = []
    generate("audioset", out, num_items=20, world=SMALL, progress=lambda *x: calls.append(x))
    assert calls == []
    assert before == {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    for change in ({"num_items": 21}, {"seed": 1}, {"world": World(num_frames=5)}):
        with pytest.raises(ValueError, match="other arguments"):
            generate("audioset", out, **{"num_items": 20, "world": SMALL, **change})


def test_a_folder_of_someone_else_is_refused_and_kept(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ValueError, match="no generated corpus"):
        generate("audioset", tmp_path, num_items=20, world=SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_generation_that_stopped_half_way_starts_again_cleanly(tmp_path):
    out = tmp_path / "corpus"

    def stop(done: int, total: int) -> None:
        assert total == 20
        if done == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate("audioset", out, num_items=20, world=SMALL, progress=stop)
    assert not out.exists()
    (left,) = tmp_path.iterdir()
    (left / "video" / "half-written.mp4").write_bytes(b"x")
    generate("audioset", out, num_items=20, world=SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["corpus"]
    generate("audioset", tmp_path / "straight", num_items=20, world=SMALL)
    assert content(out) == content(tmp_path / "straight")
    assert json.loads((out / MARKER).read_text())["num_items"] == 20


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"corpus": "esc50", "num_items": 60},
            "unknown corpus 'esc50', known: audioset, kinetics400",
        ),
        ({"corpus": "audioset", "num_items": 19}, "must be >= 20, got 19"),
        ({"corpus": "ucf101", "num_items": 47}, "must be >= 48, got 47"),
        ({"corpus": "hmdb51", "num_items": 35}, "must be >= 36, got 35"),
        ({"corpus": "dcase2013", "num_items": 19}, "must be >= 20, got 19"),
        ({"corpus": "audioset", "num_items": 20, "seed": -1}, "got -1"),
        ({"corpus": "audioset", "num_items": 20, "num_workers": -2}, "-2"),
    ],
)
def test_illegal_arguments_are_named(arguments, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        generate(arguments.pop("corpus"), tmp_path / "out", **arguments)
    assert list(tmp_path.iterdir()) == []
