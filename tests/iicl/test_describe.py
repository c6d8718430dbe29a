"""What a table says of a pretraining is what the pretraining does."""

from typing import Any

import pytest

from iicl import methods
from iicl.config import PretrainLength
from iicl.describe import PretrainingFacts, describe, describe_methods
from iicl.pretraining import pretrain_phases

COUNTS = {"1/train": 100, "1/train/with_sound": 70}
SIZES = {"video_width": 16, "video_depth": 1, "audio_width": 16, "audio_depth": 1}


def last(
    method: dict[str, Any], counts: dict[str, int] = COUNTS, **settings: object
) -> PretrainingFacts:
    length = PretrainLength(initialisation=5, co_training=1)
    shared = {
        "encoders": SIZES,
        "clip": {"num_frames": 8, "fps": 8.0, "size": 32},
        "optimisation": {"batch_size": 32},
        "corpus": "x",
        "seed": 0,
    }
    *_, phase = pretrain_phases(length, method=method, **{**shared, **settings})
    return describe(phase, counts)


def test_a_pair_of_views() -> None:
    facts = last({"name": "gdt"}, clips_per_item=2)
    assert facts.system == "GDT"
    assert facts.encoders[0] == "video: R(2+1)D, width 16, depth 1, 783,103 parameters"
    assert facts.samples == ("video: 8 frames of 32 x 32", "audio: 2 s")
    assert (facts.clips_per_item, facts.encodings_per_step) == (1, 2)
    assert facts.encodings == 64 * 2 * 6 * 2  # two whole batches, both views, six epochs, two clips
    assert facts.optimisation == "adam, rate 0.0005, batch 32, 12 passes in phase training"


def test_copies_and_passes_count() -> None:
    facts = last({"name": "gdt", "hypothesis": 9})
    assert (facts.clips_per_item, facts.encodings_per_step) == (4, 8)
    assert "audio: 2 s, 2 times" in facts.samples
    facts = last({"name": "xdc", "clusters": 4})
    assert facts.encodings == 64 * 2 * 6 + 70 * 2 * 6  # a pass over all items before each epoch


def test_pieces_are_described_as_they_are_encoded() -> None:
    facts = last({"name": "vcop", "clip_frames": 6, "gap": 2})
    (sample,) = facts.samples
    assert sample.endswith("22 frames of 32 x 32, cut into 3 of 6 frames of 28 x 28")
    assert (facts.clips_per_item, facts.encodings_per_step) == (3, 3)
    assert facts.encodings == 96 * 3 * 6  # silent items, too
    fast = last({"name": "speednet"}).samples
    assert any("8 frames, one of 2, of 32 x 32, scaled to" in sample for sample in fast)


def test_what_is_not_trained_encodes_nothing() -> None:
    facts = last({"name": "random_init"})
    assert (facts.clips_per_item, facts.encodings_per_step, facts.encodings) == (0, 0, 0)
    assert facts.samples == ()
    assert facts.optimisation == "not trained"


def test_without_counts_the_sum_is_unknown() -> None:
    assert last({"name": "gdt"}, counts={}).encodings is None


@pytest.mark.parametrize("name", ["iicl", "supervised"])
def test_a_method_of_two_phases_tells_its_last(name: str) -> None:
    facts = last({"name": name})
    assert facts.encodings is not None
    assert facts.encodings > 0


def test_every_method_says_what_it_needs() -> None:
    by_name = {method.name: method for method in describe_methods()}
    assert list(by_name) == methods.names()
    assert by_name["gdt"].needs == ("video", "audio")
    assert by_name["vcop"].needs == ("video",)
    assert by_name["avid"].needs == ("video", "audio", "index", "1,024 bytes kept of each item")
    assert "passes over all items between epochs" in by_name["xdc"].needs
    assert by_name["avts"].needs == ("video", "audio", "audio:apart")
    assert by_name["gdt"].system == "GDT"
    assert by_name["gdt"].departures
