import os

import numpy as np
import pytest
import torch
from scipy.io import wavfile

from iicl import config
from iicl.data.draws import Contents
from iicl.data.loader import make_loader
from iicl.data.log_mel import log_mel
from iicl.data.prepare import prepare
from iicl.data.sampling import Batching
from iicl.data.store import PreparedCorpus
from iicl.data.transforms import make_views
from iicl.evaluation import features
from iicl.evaluation.clustering import largest_entry
from iicl.evaluation.features import load_features, load_space, project
from iicl.protocols import Features
from iicl.samples import plain
from tests.iicl.context import context
from tests.iicl.training.ranks import on_ranks


def run(stage, corpora, folder, out):
    out.mkdir(exist_ok=True)
    return features.run(stage, context(out, corpora=corpora, upstream={"encoder": folder}))


@pytest.fixture
def stage(settings) -> Features:
    return Features(
        corpus="ucf101", num_clips=3, clip=settings["clip"], precision="float32", seed=5
    )


@pytest.mark.parametrize("items", ["all", "train", "test"])
@pytest.mark.parametrize("view", ["video", "audio"])
def test_rows_are_the_encoder_s_features_of_each_item_s_clips(
    stage, corpora, pretrained, tmp_path, view, items
):
    method, folder = pretrained(name="random_init")
    stage = stage.model_copy(update={"view": view, "items": items})
    result = run(stage, corpora, folder, tmp_path / "out")
    corpus = PreparedCorpus.open(corpora["ucf101"])
    stored = load_features(tmp_path / "out")
    split = {} if items == "all" else {"split": items, "fold": 1}
    assert stored.positions.tolist() == corpus.select([view], **split)
    assert result["num_evaluated"] == len(stored.positions) == len(stored.features)
    named = [i for i in corpus.manifest.items if items in ("all", i.splits["1"])]
    assert result["num_expected"] == len(named)
    assert (len(stored.positions) < len(named)) == (view == "audio"), "some items are silent"
    encoder = getattr(method, f"{view}_encoder")
    for row in (0, 11, len(stored.positions) - 1):  # the second batch begins within the eleventh
        (batch,) = make_loader(
            corpus,
            [int(stored.positions[row])],
            Contents(stage.clip, (plain(view),)),
            Batching("uniform", batch_size=3, num_clips=3),
        )
        with torch.no_grad():
            expected = encoder(make_views(batch, stage.clip, torch.device("cpu"))[view])
        torch.testing.assert_close(
            torch.from_numpy(stored.features[row]), expected, rtol=1e-4, atol=1e-5
        )
        assert not torch.allclose(expected[0], expected[2], rtol=1e-3), "clips must differ"


def test_ranks_give_the_features_of_one(stage, corpora, pretrained, tmp_path):
    """Of 216 clips in 7 batches, and of 48 in 2, fewer than the ranks."""
    _, folder = pretrained(name="random_init")
    stages = {items: stage.model_copy(update={"items": items}) for items in ("all", "test")}
    stages["test"] = stages["test"].model_copy(update={"num_clips": 2})
    for items, asked in stages.items():
        run(asked, corpora, folder, tmp_path / items)

    for size in (2, 3, 5):

        def shared(size: int = size):
            place = tmp_path / f"{size}-{os.environ['RANK']}"
            place.mkdir()
            return [run(asked, corpora, folder, place / items) for items, asked in stages.items()]

        results = on_ranks(size, shared)
        assert all(result["num_ranks"] == size for rank in results for result in rank)
        for items in stages:
            whole, stored = (
                load_features(place) for place in (tmp_path / items, tmp_path / f"{size}-0" / items)
            )
            assert whole.positions.tolist() == stored.positions.tolist()
            assert np.array_equal(whole.features, stored.features)
            assert not list((tmp_path / f"{size}-1" / items).iterdir()), "only rank 0 writes"
        assert [r["num_evaluated"] for r in results[-1]] == [72, 24]


def test_recordings_without_video_are_covered_by_even_windows(pretrained, stage, tmp_path):
    """As for audio scenes: 60 windows of 2 s over 30 s, the first at its start, the last at its
    end (protocol of the scene corpora)."""
    method, folder = pretrained(name="random_init")
    samples = np.random.default_rng(0).integers(-9000, 9000, 30 * 16_000).astype(np.int16)
    source = tmp_path / "source" / "bus"
    source.mkdir(parents=True)
    wavfile.write(source / "one.wav", 16_000, samples)
    prepare("folder", source.parent, tmp_path / "scenes", corpus="scenes", num_workers=1,
            preparation=config.Preparation())  # fmt: skip
    stage = stage.model_copy(update={"corpus": "scenes", "view": "audio", "num_clips": 60})
    result = run(stage, {"scenes": tmp_path / "scenes"}, folder, tmp_path / "out")
    assert (result["num_evaluated"], result["num_expected"]) == (1, 1)
    (recording,) = load_features(tmp_path / "out").features
    assert len(recording) == 60
    starts = np.linspace(0, 28 * 16_000, 60).round().astype(int)
    windows = np.stack([samples[start : start + 32_000] for start in starts])
    with torch.no_grad():
        expected = method.audio_encoder(log_mel(torch.from_numpy(windows), stage.clip))
    torch.testing.assert_close(torch.from_numpy(recording), expected, rtol=1e-3, atol=1e-4)


def test_an_encoder_that_is_not_there_is_named(stage, corpora, pretrained, tmp_path):
    _, folder = pretrained(name="supervised", modalities="video")
    with pytest.raises(ValueError, match="no audio encoder; it has: video"):
        run(stage.model_copy(update={"view": "audio"}), corpora, folder, tmp_path / "out")


@pytest.mark.parametrize("heads", ["shared", "separate"])
def test_spaces_are_the_method_s_heads_on_the_features_of_each_clip(pretrained, stored, heads):
    method, folder = pretrained(name="iicl", clusters=6, instance_dim=20, heads=heads)
    given = np.random.default_rng(0).normal(size=(5, 3, 32)).astype(np.float32)
    place = stored([("a", "test", "0", "video+audio")] * 5, video=given, audio=given)
    upstream = {**place["upstream"], "encoder": folder}
    drawn = {}
    for view in ("video", "audio"):
        assert (load_space(upstream, view, view, "f").features == given).all()
        for space, head in (("z", method.instance_head), ("y", method.cluster_head)):
            drawn[view, space] = load_space(upstream, view, view, space).features
            for row, item in zip(drawn[view, space], given, strict=True):
                with torch.no_grad():
                    expected = head(view, torch.from_numpy(item))
                torch.testing.assert_close(torch.from_numpy(row), expected)
    assert drawn["video", "z"].shape == (5, 3, 20)
    assert drawn["video", "y"].shape == (5, 3, 6)
    np.testing.assert_allclose(drawn["audio", "y"].sum(2), 1, rtol=1e-5)
    assert np.allclose(drawn["video", "z"], drawn["audio", "z"]) == (heads == "shared")


@pytest.mark.parametrize(
    ("method", "phase", "space", "spaces"),
    [
        ({"name": "random_init"}, "training", "z", "f"),
        ({"name": "iicl"}, "initialisation", "y", "f, z"),
        ({"name": "iicl", "instance_space": "h"}, "co_training", "z", "f, y"),
    ],
)
def test_a_space_that_is_not_there_is_named(pretrained, method, phase, space, spaces):
    made, _ = pretrained(phase, **method)
    with pytest.raises(ValueError, match=f"no space '{space}'; it has: {spaces}$"):
        project(made, "video", space, np.zeros((2, 1, 32), np.float32))


@pytest.mark.parametrize("size", [1, 7])
def test_an_item_gets_the_same_cluster_alone_as_among_others(
    stage, corpora, pretrained, tmp_path, monkeypatch, size
):
    """From the decoded clips to the cluster, with one or seven clips encoded at a time."""
    method, folder = pretrained(name="iicl", clusters=6)
    encoded = []
    for batch_size in (features.FEATURE_BATCH_SIZE, size):
        monkeypatch.setattr(features, "FEATURE_BATCH_SIZE", batch_size)
        out = tmp_path / str(batch_size)
        run(stage, corpora, folder, out)
        encoded.append(load_features(out).features)
    # An untrained head puts all items in one cluster; without its mean it tells them apart.
    y = project(method, "video", "y", encoded[0])
    with torch.no_grad():
        method.cluster_head["shared"][2].bias -= torch.from_numpy(np.log(y).mean(axis=(0, 1)))
    together, apart = (largest_entry(project(method, "video", "y", f)).tolist() for f in encoded)
    assert apart == together
    assert len(set(together)) > 3
