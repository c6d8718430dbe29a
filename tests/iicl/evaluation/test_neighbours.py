import dataclasses
import shutil

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from iicl.data.draws import Contents
from iicl.data.loader import make_loader
from iicl.data.manifest import Manifest
from iicl.data.pictures import MEAN, STD
from iicl.data.sampling import Batching
from iicl.data.store import PreparedCorpus
from iicl.data.transforms import make_views
from iicl.evaluation import neighbours
from iicl.evaluation.features import FEATURES
from iicl.evaluation.neighbours import WAYS, load_neighbours
from iicl.protocols import Neighbours
from iicl.samples import AUDIO, VIDEO
from tests.iicl.context import context

K = 2
CONFUSIONS = ("confusion", "across_confusion")


@pytest.fixture
def place(corpora, tmp_path):
    """Random features of the test items of a corpus with media, one axis of them their class.

    Its labels are four, so that a class has several test items; one item has two of them.
    """
    shutil.copytree(corpora["ucf101"], tmp_path / "corpus")
    manifest = Manifest.read(tmp_path / "corpus")
    items = [
        dataclasses.replace(item, labels=("wxyz"[number % 4],))
        for number, item in enumerate(manifest.items)
    ]
    number = PreparedCorpus(tmp_path, manifest).select(["video", "audio"], "test", 1)[0]
    items[number] = dataclasses.replace(items[number], labels=("w", "x"))
    dataclasses.replace(manifest, items=items).write(tmp_path / "corpus")
    corpus = PreparedCorpus.open(tmp_path / "corpus")
    rng, upstream, f = np.random.default_rng(0), {}, {}
    classes = corpus.manifest.classes
    for view in ("video", "audio"):
        positions = corpus.select([view], split="test", fold=1)
        own = [classes.index(corpus.manifest.items[p].labels[0]) for p in positions]
        clips = rng.normal(size=(len(positions), 2, len(classes)))
        clips += 1.5 * np.eye(len(classes))[own][:, None]
        upstream[view] = tmp_path / view
        upstream[view].mkdir()
        arrays = {"features": clips.astype("f4"), "positions": np.array(positions)}
        save_file(arrays, upstream[view] / FEATURES)
        f[view[0]] = {p: _embedding(c) for p, c in zip(positions, clips, strict=True)}
    return {"corpora": {"ucf101": tmp_path / "corpus"}, "upstream": upstream}, corpus, f


def _embedding(clips):
    mean = sum(clip / np.linalg.norm(clip) for clip in clips)
    return mean / np.linalg.norm(mean)


def run(place, out, clip, seed=7, **settings):
    stage = Neighbours(
        corpus="ucf101", seed=seed, clip=clip, space="f", num_neighbours=K, **settings
    )
    result = neighbours.run(
        stage,
        context(out, **place),
    )
    assert tuple(result["metrics"]) == tuple(result["chance"]) == stage.metrics()
    return result


def test_precision_and_confusion_equal_a_loop_over_sorted_cosines(place, settings, tmp_path):
    where, corpus, f = place
    result = run(where, tmp_path, settings["clip"], num_anchors=2)
    both = corpus.select(["video", "audio"], split="test", fold=1)
    assert (result["num_evaluated"], result["num_expected"]) == (len(both), 24)
    assert len(both) < 24, "some test items are silent"
    label = {p: set(corpus.manifest.items[p].labels) for p in both}
    expected, confused = {}, {}
    for way in WAYS:
        hits = []
        for p in both:
            others = sorted(
                (q for q in both if q != p), key=lambda q: -(f[way[0]][p] @ f[way[2]][q])
            )
            hits.append([bool(label[q] & label[p]) for q in others[:K]])
        expected[f"{way}_precision"] = np.mean(hits)
        confused[way] = 1 - np.mean([h[0] for h in hits])
    expected["within_precision"] = (expected["v2v_precision"] + expected["a2a_precision"]) / 2
    expected["across_precision"] = (expected["v2a_precision"] + expected["a2v_precision"]) / 2
    expected["confusion"] = confused["a2a"]
    expected["across_confusion"] = (confused["v2a"] + confused["a2v"]) / 2
    assert len({round(value, 3) for value in expected.values()}) > 3, "metrics must differ"
    assert result["metrics"] == pytest.approx(expected)
    same = np.mean([bool(label[p] & label[q]) for p in both for q in both if p != q])
    assert result["chance"] == pytest.approx(
        {**dict.fromkeys(result["chance"], same), **dict.fromkeys(CONFUSIONS, 1 - same)}
    )
    assert result["item_errors"].keys() == expected.keys()
    errors = result["item_errors"]["across_confusion"]
    assert errors["num_items"] == len(both)
    assert errors["num_groups"] == len({corpus.manifest.items[p].group for p in both}) > 1
    assert 0 < errors["standard_error"] < 0.5


def test_what_is_stored_is_what_the_encoders_see_of_the_anchors_and_their_neighbours(
    place, settings, tmp_path
):
    where, corpus, f = place
    both = corpus.select(["video", "audio"], split="test", fold=1)
    ids = {corpus.manifest.items[p].id: p for p in both}
    named = (list(ids)[3], list(ids)[1])
    result = run(where, tmp_path, settings["clip"], anchors=named)
    assert result["anchors"] == list(named)
    stored = load_neighbours(tmp_path)
    assert [stored.ids[row] for row in stored.anchors] == list(named)
    assert stored.labels == [list(corpus.manifest.items[ids[name]].labels) for name in stored.ids]
    assert set(range(len(stored.ids))) == {*stored.anchors, *stored.neighbours.ravel()}
    assert stored.neighbours.shape == stored.similarities.shape == (2, len(WAYS), K)
    for name, rows, similar in zip(named, stored.neighbours, stored.similarities, strict=True):
        for way, nearest, cosines in zip(WAYS, rows, similar, strict=True):
            p = ids[name]
            others = sorted(
                (q for q in both if q != p), key=lambda q: -(f[way[0]][p] @ f[way[2]][q])
            )
            assert [ids[stored.ids[row]] for row in nearest] == others[:K]
            np.testing.assert_allclose(
                cosines, [f[way[0]][p] @ f[way[2]][q] for q in others[:K]], atol=2e-6
            )
    for name, frames, spectrogram in zip(
        stored.ids, stored.frames, stored.spectrograms, strict=True
    ):
        (batch,) = make_loader(
            corpus,
            [ids[name]],
            Contents(settings["clip"], (VIDEO, AUDIO)),
            Batching("uniform", batch_size=1),
        )
        views = make_views(batch, settings["clip"], torch.device("cpu"))
        seen = views["video"][0, :, [0, 4, 7]].permute(1, 2, 3, 0) * STD + MEAN
        assert np.abs(frames / 255 - seen.numpy()).max() < 0.51 / 255
        np.testing.assert_allclose(spectrogram, views["audio"][0, 0], rtol=1e-3, atol=1e-3)
    assert stored.frames.std() > 10


def test_anchors_are_drawn_from_different_classes_by_the_seed(place, settings, tmp_path):
    where, corpus, _ = place
    both = corpus.select(["video", "audio"], split="test", fold=1)
    assert len(both) > 4
    settings = {"clip": settings["clip"], "num_anchors": 3}
    for seed in range(5):
        drawn = [run(where, tmp_path, seed=seed, **settings)["anchors"] for _ in range(2)]
        assert drawn[0] == drawn[1]
        stored = load_neighbours(tmp_path)
        labels = [name for row in stored.anchors for name in stored.labels[row]]
        assert len(labels) == len(set(labels)) >= 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"anchors": ("v_Nothing",)}, "'v_Nothing'; there are 16: .*/v_"),
        ({"num_anchors": 500}, "num_anchors 500 exceeds the [34] "),
    ],
)
def test_anchors_that_are_not_there_are_refused(place, settings, tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        run(place[0], tmp_path, settings["clip"], **change)


def test_more_neighbours_than_items_are_refused(place, settings, tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "K", 24)
    with pytest.raises(ValueError, match="num_neighbours 24 must be less than"):
        run(place[0], tmp_path, settings["clip"])
