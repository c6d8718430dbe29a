"""XDC: rounds of clusters, and what the classifiers can and cannot learn."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import torch
from sklearn.metrics import adjusted_rand_score
from torch import Tensor

from iicl import methods
from iicl.config import Clip
from iicl.methods.xdc.method import XDC
from iicl.methods.xdc.rounds import make_round
from iicl.methods.xdc.settings import Settings
from iicl.pretraining import pretrain_phases
from iicl.training import checkpoint, pretrain
from tests.iicl.context import context
from tests.iicl.facts import facts
from tests.iicl.methods.every_method import LENGTH, SMALL, assert_same

GROUPS = torch.arange(40) % 4
DIM = 16


def make(**settings: object) -> XDC:
    torch.manual_seed(0)
    sizes = facts().model_copy(update={"num_items": 40})
    method = methods.build(Settings(clusters=4, **settings), "training", SMALL, sizes)
    assert isinstance(method, XDC)
    return method


def planted(seed: int) -> dict[str, Tensor]:
    """Sounds in four groups far apart, and videos of noise."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(40, DIM, generator=generator)
    centres = 5 * torch.eye(DIM)[:4]
    sounds = centres[GROUPS] + 0.1 * torch.randn(40, DIM, generator=generator)
    return {"video": noise, "audio": sounds, "index": torch.arange(40)}


def begin(method: XDC, features: dict[str, Tensor], epoch: int = 0) -> Sequence[str]:
    torch.manual_seed(epoch)
    with torch.no_grad():
        return list(method.before_epoch(epoch, lambda names: {n: features[n] for n in names}))


def test_planted_groups_are_found_and_the_other_view_learns_them() -> None:
    method = make()
    begin(method, planted(0))
    assert adjusted_rand_score(GROUPS, method.get_buffer("labels_audio")) == 1
    assert method.get_buffer("largest_audio").item() == pytest.approx(0.25)


def test_it_starts_at_log_k_in_each_round() -> None:
    method, features = make(), planted(0)
    for epoch in range(2):
        begin(method, features, epoch)
        _, parts = method.loss(features)
        for name in ("cross_entropy_video_audio", "cross_entropy_audio_video"):
            assert parts[name].item() == pytest.approx(math.log(4), abs=0.02)
        assert parts["round"] == epoch + 1
        with torch.no_grad():  # as training moves them
            for parameter in method.classifiers.parameters():
                parameter.add_(torch.randn_like(parameter))


def test_a_round_lasts_so_many_epochs() -> None:
    method, features = make(epochs_per_round=3), planted(0)
    begun = [bool(begin(method, features, epoch)) for epoch in range(7)]
    assert begun == [True, False, False, True, False, False, True]
    assert method.round == 3


def test_within_a_round_labels_and_classifiers_stay() -> None:
    method = make(epochs_per_round=2)
    begin(method, planted(0))
    before = {name: value.clone() for name, value in method.state_dict().items()}
    begin(method, planted(1), epoch=1)
    assert_same(before, method.state_dict())


@pytest.mark.parametrize(("variant", "term"), [("xdc", "video_audio"), ("sdc", "audio_audio")])
def test_noise_cannot_tell_the_groups_and_groups_can(variant: str, term: str) -> None:
    """The best that videos of noise allow is the entropy of the sounds' clusters."""
    method = make(variant=variant)
    begin(method, planted(0))
    optimiser = torch.optim.Adam(method.classifiers.parameters(), 0.02)
    losses = []
    for step in range(150):
        optimiser.zero_grad()
        total, parts = method.loss(planted(step))
        total.backward()
        optimiser.step()
        losses.append(parts[f"cross_entropy_{term}"].item())
    last = sum(losses[-50:]) / 50
    if variant == "xdc":
        assert math.log(4) - 0.01 < last < math.log(4) + 0.3
    else:
        assert last < 0.05


def test_the_names_of_clusters_mean_nothing() -> None:
    method, features = make(), planted(0)
    begin(method, features)
    loss = method.loss(features)[0]
    order = torch.tensor([2, 0, 3, 1])
    with torch.no_grad():
        for source in ("video", "audio"):
            labels = method.get_buffer(f"labels_{source}")
            labels.copy_(order[labels])
        for classifier in method.classifiers.values():
            for parameter in (classifier.weight, classifier.bias):
                moved = parameter.clone()
                moved[order] = parameter
                parameter.copy_(moved)
    torch.testing.assert_close(method.loss(features)[0], loss)


TARGETS = {
    "xdc": {"video": ["audio"], "audio": ["video"]},
    "sdc": {"video": ["video"], "audio": ["audio"]},
    "mdc": {"video": ["video", "audio"], "audio": ["audio", "video"]},
    "cdc": {"video": ["both"], "audio": ["both"]},
}


@pytest.mark.parametrize("variant", TARGETS)
def test_each_variant_learns_its_clusters(variant: str) -> None:
    method, features = make(variant=variant), planted(0)
    forgotten = begin(method, features)
    assert set(forgotten) == {f"classifiers.{n}" for n, _ in method.classifiers.named_parameters()}
    total, parts = method.loss(features)
    names = {f"cross_entropy_{v}_{s}" for v, sources in TARGETS[variant].items() for s in sources}
    assert names == {name for name in parts if name.startswith("cross")}
    expected = 0.0
    for name in names:
        _, _, view, source = name.split("_")
        logits = method.classifiers[f"{view}_{source}"](features[view])
        labels = method.get_buffer(f"labels_{source}")
        shares = logits.softmax(1)[torch.arange(40), labels]
        expected += -sum(math.log(share) for share in shares.tolist()) / 40
    assert total.item() == pytest.approx(expected, rel=1e-5)


def test_clusters_of_both_views_see_both_alike() -> None:
    """Two groups of videos that hardly differ, two of sounds far apart: together four."""
    of_video, of_sound = GROUPS % 2, GROUPS // 2
    generator = torch.Generator().manual_seed(0)
    noise = 0.1 * torch.randn(2, 40, DIM, generator=generator)
    features = {
        "video": 100 + 1e-3 * (torch.eye(DIM)[of_video] + noise[0]),
        "audio": 50 * (torch.eye(DIM)[of_sound] + noise[1]),
        "index": torch.arange(40),
    }
    method = make(variant="cdc")
    begin(method, features)
    assert adjusted_rand_score(GROUPS, method.get_buffer("labels_both")) == 1


def test_the_classifiers_start_anew_with_each_round() -> None:
    method = make()
    begin(method, planted(0))
    before = {}
    with torch.no_grad():
        for name, parameter in method.classifiers.named_parameters():
            before[name] = parameter.add_(1).clone()  # as training moves them
    begin(method, planted(0), epoch=1)
    for name, parameter in method.classifiers.named_parameters():
        assert (parameter < before[name] - 0.5).all(), name


def test_a_round_knows_how_much_of_the_last_is_left() -> None:
    features = [planted(0)["audio"]]
    torch.manual_seed(0)
    first = make_round(features, torch.zeros(40, dtype=torch.int64), 4)
    second = make_round(features, first.labels, 4)
    assert first.agreement == 0
    assert second.agreement == pytest.approx(1)


def test_an_answer_for_other_items_is_the_nearest_centre() -> None:
    method = make()
    begin(method, planted(0))
    others = planted(1)
    with torch.no_grad():
        method.classifiers["video_audio"].weight.zero_()
        method.classifiers["video_audio"].bias.copy_(torch.tensor([9.0, 0, 0, 0]))
        hits, chance = method.answers(others)
    labels = method.get_buffer("labels_audio")[:4]
    assert torch.equal(hits[:40], labels[GROUPS] == 0)
    assert chance >= 0.25


def run(root: Path, corpora: dict[str, Path], settings: dict[str, Any], **fields: object) -> dict:
    """The state of the method after two epochs of three steps, which are one round."""
    settings = {
        **settings,
        "method": {"name": "xdc", "clusters": 3, "epochs_per_round": 2},
        "clip": Clip(num_frames=4, fps=8.0, size=16, audio_seconds=0.5),
        "encoders": SMALL,
        **fields,
    }
    (phase,) = pretrain_phases(LENGTH, **settings)
    root.mkdir(exist_ok=True)
    pretrain.run(phase, context(root, corpora=corpora, upstream={}, checkpoint_seconds=0))
    _, saved = checkpoint.load_latest(root / "checkpoints")
    return saved["method"]


def test_a_training_killed_within_a_round_goes_on_with_its_clusters(
    tmp_path: Path, corpora: dict[str, Path], settings: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(tmp_path / "whole", corpora, settings)
    save = checkpoint.save

    class Killed(BaseException):
        pass

    def killed(folder: Path, step: int, saved: dict) -> None:
        save(folder, step, saved)
        if step == 4:  # the first step of the second epoch is done
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(checkpoint, "save", killed)
        with pytest.raises(Killed):
            run(tmp_path / "killed", corpora, settings)
    monkeypatch.setattr("iicl.methods.xdc.method.make_round", Mock(side_effect=AssertionError))
    assert_same(whole, run(tmp_path / "killed", corpora, settings))


def test_shuffled_pairs_are_clustered_as_they_are_trained(
    tmp_path: Path, corpora: dict[str, Path], settings: dict
) -> None:
    """The clusters of videos stay, those of sounds go with the videos of other items."""
    own = run(tmp_path / "own", corpora, settings)
    shuffled = run(tmp_path / "shuffled", corpora, settings, pairing="shuffled")
    assert torch.equal(own["labels_video"], shuffled["labels_video"])
    assert adjusted_rand_score(own["labels_audio"], shuffled["labels_audio"]) < 0.3


def test_fewer_items_than_clusters_are_refused() -> None:
    with pytest.raises(ValueError, match=r"128 clusters need as many items.* has 12"):
        methods.build(Settings(), "training", SMALL, facts())
