"""XDC: rounds of clusters, and what the classifiers can and cannot learn."""

import math
from collections.abc import Sequence

import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import adjusted_rand_score
from torch import Tensor

from iicl import methods
from iicl.methods.xdc.method import XDC
from iicl.methods.xdc.rounds import make_round
from iicl.methods.xdc.settings import Settings
from tests.iicl.facts import facts
from tests.iicl.methods.every_method import SMALL

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
        with torch.no_grad():
            for classifier in method.classifiers.values():
                classifier.weight.mul_(1e-3)
                classifier.bias.zero_()
        _, parts = method.loss(features)
        for name in ("cross_entropy_video_audio", "cross_entropy_audio_video"):
            assert parts[name].item() == pytest.approx(math.log(4), abs=1e-2)
        assert parts["round"] == epoch + 1


def test_noise_cannot_tell_the_groups_and_groups_can() -> None:
    """A constant answer has the entropy of the groups at best; noise of other items has no less."""
    train, test = planted(0), planted(1)
    losses = {}
    for name, view in (("noise", "video"), ("groups", "audio")):
        method = make(variant="xdc")
        begin(method, train)
        labels = method.get_buffer("labels_audio")
        classifier = torch.nn.Linear(DIM, 4)
        optimiser = torch.optim.Adam(classifier.parameters(), 0.02)
        for _ in range(200):
            optimiser.zero_grad()
            F.cross_entropy(classifier(train[view]), labels).backward()
            optimiser.step()
        losses[name] = F.cross_entropy(classifier(test[view]), labels).item()
    assert losses["noise"] > math.log(4)
    assert losses["groups"] < 0.2


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


def test_clusters_of_both_views_see_both() -> None:
    method = make(variant="cdc")
    begin(method, planted(0))
    one = method.get_buffer("labels_both").clone()
    begin(method, {**planted(0), "video": planted(0)["video"][:, :1] * torch.ones(DIM)})
    assert adjusted_rand_score(one, method.get_buffer("labels_both")) < 1


def test_the_classifiers_start_anew_with_each_round() -> None:
    method = make()
    begin(method, planted(0))
    before = {n: p.clone() for n, p in method.classifiers.named_parameters()}
    begin(method, planted(0), epoch=1)
    assert all(not torch.equal(p, before[n]) for n, p in method.classifiers.named_parameters())


def test_a_round_knows_how_much_of_the_last_is_left() -> None:
    features = planted(0)["audio"]
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


def test_fewer_items_than_clusters_are_refused() -> None:
    with pytest.raises(ValueError, match=r"128 clusters need as many items.* has 12"):
        methods.build(Settings(), "training", SMALL, facts())
