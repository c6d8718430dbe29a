"""The question of a pretraining, against a loop over single items."""

import numpy as np
import pytest
import torch

from iicl.data.draws import Contents
from iicl.data.loader import make_loader
from iicl.data.sampling import Batching
from iicl.data.store import PreparedCorpus
from iicl.data.transforms import make_views
from iicl.evaluation import pretext
from iicl.item_errors import item_errors
from iicl.protocols import Pretext
from iicl.samples import AUDIO, VIDEO
from iicl.seeding import derive_seed
from iicl.training.weights import load_config, save_weights
from tests.iicl.context import context
from tests.iicl.facts import facts


@pytest.fixture
def stage(settings) -> Pretext:
    return Pretext(
        corpus="ucf101", batch_size=5, clip=settings["clip"], precision="float32", seed=5
    )


def run(stage, corpora, folder, out):
    out.mkdir(exist_ok=True)
    return pretext.run(stage, context(out, corpora=corpora, upstream={"encoder": folder}))


def embedded(method, corpus, position, clip) -> list[torch.Tensor]:
    """z of one item's middle clip and of the sound around it."""
    contents = Contents(clip, (VIDEO, AUDIO))
    (raw,) = make_loader(corpus, [position], contents, Batching("uniform", batch_size=1))
    with torch.no_grad():
        features = method.encode(make_views(raw, clip, torch.device("cpu")))
        z = [method.heads()["z"](view, features[view])[0] for view in ("video", "audio")]
    return [one / one.norm() for one in z]


def test_pairs_are_sought_among_the_items_of_a_batch(stage, corpora, pretrained, tmp_path):
    method, folder = pretrained(name="iicl", clusters=6, instance_dim=20)
    corpus = PreparedCorpus.open(corpora["ucf101"])
    usable = corpus.select(["audio", "video"], split="test", fold=1)
    seed = derive_seed(derive_seed(stage.seed, "pretext", 1), "order")
    order = np.random.default_rng(seed).permutation(usable)
    assert order.tolist() != sorted(order)
    hits = []
    for start in range(0, len(usable) - 4, 5):
        batch = [embedded(method, corpus, p, stage.clip) for p in order[start : start + 5].tolist()]
        for own, (video, audio) in enumerate(batch):
            sounds = [float(video @ other) for _, other in batch]
            videos = [float(audio @ other) for other, _ in batch]
            hits.append([np.argmax(sounds) == own, np.argmax(videos) == own])
    result = run(stage, corpora, folder, tmp_path / "out")
    assert result["metrics"] == {"accuracy": pytest.approx(np.mean(hits))}
    assert result["chance"] == {"accuracy": pytest.approx(1 / 5)}
    groups = [corpus.manifest.items[position].group for position in order[: len(hits)]]
    assert result["item_errors"] == item_errors({"accuracy": np.array(hits)}, groups)
    num_test = corpus.manifest.num_official["1/test"]
    counted = ("num_evaluated", "num_expected", "num_unfit", "num_left_out", "num_questions")
    assert [result[name] for name in counted] == [
        len(hits),
        num_test,
        num_test - len(usable),
        len(usable) - len(hits),
        2 * len(hits),
    ]
    assert 0 < len(usable) - len(hits) < 5
    assert num_test > len(usable), "some items are silent"


def test_a_control_with_shuffled_pairs_is_asked_about_own_pairs(
    stage, corpora, pretrained, tmp_path, settings
):
    method, folder = pretrained(name="iicl", clusters=6, instance_dim=20)
    own = run(stage, corpora, folder, tmp_path / "out")
    config = load_config(folder).model_copy(update={"pairing": "shuffled"})
    save_weights(method, folder, config, facts(3))
    shuffled = run(stage, corpora, folder, tmp_path / "out")
    assert shuffled["metrics"] == own["metrics"]


def test_another_seed_makes_other_batches(stage, corpora, pretrained, tmp_path):
    _, folder = pretrained(name="iicl", clusters=6, instance_dim=20)
    found = {
        run(stage.model_copy(update={"seed": seed}), corpora, folder, tmp_path / "out")["metrics"][
            "accuracy"
        ]
        for seed in range(4)
    }
    assert len(found) > 1


@pytest.mark.parametrize("name", ["random_init", "mfcc"])
def test_a_method_without_a_question_has_no_accuracy(stage, corpora, pretrained, tmp_path, name):
    _, folder = pretrained(name=name)
    result = run(stage, corpora, folder, tmp_path / "out")
    assert result["metrics"] == result["chance"] == {"accuracy": None}
    assert result["item_errors"] == {}
    assert result["num_questions"] == 0


def test_fewer_items_than_a_batch_are_refused(stage, corpora, pretrained, tmp_path):
    _, folder = pretrained(name="random_init")
    with pytest.raises(ValueError, match=r"4 usable test items in fold 1, fewer than .* of 5"):
        run(stage.model_copy(update={"corpus": "audioset"}), corpora, folder, tmp_path / "out")


def test_labels_of_another_corpus_are_not_asked_for(stage, corpora, pretrained, tmp_path):
    _, folder = pretrained(name="supervised")
    with pytest.raises(ValueError, match="classes of audioset, not those of ucf101"):
        run(stage, corpora, folder, tmp_path / "out")
