import pytest
import torch

from iicl import config, methods
from iicl.data.loader import make_loader
from iicl.data.store import PreparedCorpus
from iicl.data.transforms import make_views
from iicl.evaluation import features
from iicl.training.weights import load_instance_head, save_weights


@pytest.fixture
def pretrained(settings, tmp_path):
    """A method with statistics and scales unlike those of a fresh one, and its folder."""
    torch.manual_seed(0)
    method = methods.build(config.RandomInit(), "training", settings["encoders"])
    for name, tensor in method.state_dict().items():
        if tensor.is_floating_point() and tensor.ndim < 2:
            tensor.uniform_(0.5, 1.5)
        assert name.startswith(("video_encoder.", "audio_encoder."))
    folder = tmp_path / "pretrained"
    folder.mkdir()
    save_weights(method, folder, settings["clip"])
    return method, folder


def test_features_in_the_instance_space_are_g_ins_of_those_of_the_encoder(
    settings, corpora, tmp_path
):
    torch.manual_seed(0)
    method = methods.build(
        config.IICL(instance_dim=20), "initialisation", settings["encoders"]
    ).eval()
    save_weights(method, tmp_path, settings["clip"])
    stored = {}
    for space in ("f", "z"):
        stage = config.Features(
            corpus="ucf101",
            space=space,
            num_clips=1,
            **{name: settings[name] for name in ("clip", "encoders", "precision", "seed")},
        )
        (tmp_path / space).mkdir()
        features.run(
            stage,
            corpora=corpora,
            upstream={"encoder": tmp_path},
            out=tmp_path / space,
            execution=config.Execution(),
            report=lambda fraction, text: None,
        )
        stored[space] = torch.from_numpy(features.load_features(tmp_path / space).features)
    assert stored["z"].shape == (72, 1, 20)
    expected = method.instance_head("video", stored["f"])
    torch.testing.assert_close(stored["z"], expected)


def test_space_z_needs_an_instance_head(pretrained):
    _, folder = pretrained
    with pytest.raises(ValueError, match="need a pretraining with an instance head"):
        load_instance_head(folder, "video")


@pytest.mark.parametrize("view", ["video", "audio"])
def test_rows_are_the_encoder_s_features_of_each_item_s_clips(
    settings, corpora, pretrained, tmp_path, view
):
    method, folder = pretrained
    stage = config.Features(
        corpus="ucf101",
        view=view,
        num_clips=3,
        **{name: settings[name] for name in ("clip", "encoders", "precision", "seed")},
    )
    result = features.run(
        stage,
        corpora=corpora,
        upstream={"encoder": folder},
        out=tmp_path,
        execution=config.Execution(),
        report=lambda fraction, text: None,
    )
    corpus = PreparedCorpus.open(corpora["ucf101"])
    stored = features.load_features(tmp_path)
    assert stored.positions.tolist() == corpus.select([view])
    assert result["num_evaluated"] == len(stored.positions) == len(stored.features)
    assert result["num_expected"] == 72
    encoder = getattr(method, f"{view}_encoder").eval()
    for row in (0, 11, len(stored.positions) - 1):  # the second batch begins within the eleventh
        (batch,) = make_loader(
            corpus,
            [int(stored.positions[row])],
            stage.clip,
            views=[view],
            sampling="uniform",
            batch_size=3,
            num_clips=3,
        )
        with torch.no_grad():
            expected = encoder(make_views(batch, stage.clip, torch.device("cpu"))[view])
        torch.testing.assert_close(
            torch.from_numpy(stored.features[row]), expected, rtol=1e-4, atol=1e-5
        )
        assert not torch.allclose(expected[0], expected[2], rtol=1e-3), "clips must differ"


def test_weights_of_another_size_are_refused(settings, corpora, pretrained, tmp_path):
    stage = config.Features(
        corpus="ucf101",
        clip=settings["clip"],
        encoders=config.Encoders(video_width=4, video_depth=2),
        seed=0,
    )
    with pytest.raises(RuntimeError, match=r"layer1\.1"):
        features.run(
            stage,
            corpora=corpora,
            upstream={"encoder": pretrained[1]},
            out=tmp_path,
            execution=config.Execution(),
            report=lambda fraction, text: None,
        )
