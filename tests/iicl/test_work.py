"""The work of stages against hand arithmetic and slow counting."""

import subprocess
import sys
from typing import Any

import pytest

from iicl.config import Clip, PretrainLength
from iicl.encoders.r2plus1d.settings import Settings as R2Plus1D
from iicl.encoders.resnet.settings import Settings as ResNet
from iicl.methods.settings import Extra, MethodSettings
from iicl.pretraining import Pretrain, pretrain_phases
from iicl.protocols import CrossModal, Features, Finetune, Linear, Pretext
from iicl.samples import LABEL, VIDEO, Sample
from iicl.work import NO_WORK, StageWork, encoder_of, items_trained_on, work
from tests.iicl.priced import Dear

COUNTS = {"all": 100, "1/test": 10, "1/train": 90, "1/train/with_sound": 50, "2/train": 80}


def last_phase(method: Any, **settings: Any) -> Pretrain:
    length = PretrainLength(initialisation=2, co_training=3)
    return pretrain_phases(length, method=method, corpus="x", seed=0, **settings)[-1]


IICL = last_phase({"name": "iicl"})


def test_a_full_pretraining_on_ucf101_costs_what_hand_arithmetic_says() -> None:
    phases = pretrain_phases(PretrainLength(), method={"name": "iicl"}, corpus="ucf101", seed=0)
    counts = {"1/train/with_sound": 4901}
    # 600 epochs of 19 steps of 256 clips at 635 GFLOP
    assert sum(work(phase, counts, None).clips for phase in phases) == 600 * 19 * 256
    total = sum(work(phase, counts, None).flops for phase in phases)
    assert total == pytest.approx(600 * 19 * 256 * 635e9, rel=0.005)


def test_the_work_of_a_fine_tuning_is_its_training_and_its_test() -> None:
    stage = Finetune(corpus="ucf101", seed=0, batch_size=24)
    found = work(stage, {"1/train": 9537, "1/test": 3783}, IICL)
    assert found.clips == 9537 * 10 * 12 + 3783 * 10 * 3
    clip = 2 * 105.85e9
    assert found.flops == pytest.approx(9537 * 10 * 12 * 3 * clip + 3783 * 10 * 3 * clip, rel=0.001)
    assert found.num_ranks == 24  # each with one clip of a batch


def test_a_fine_tuning_that_holds_out_train_items_has_no_test_items() -> None:
    stage = Finetune(corpus="x", fold=2, seed=0, evaluate_on="held_out", num_clips=2, num_crops=1)
    found = work(stage, {"2/train": 80}, IICL)
    assert found.clips == 64 * 10 * 12 + 16 * 2


@pytest.mark.parametrize(
    ("settings", "clips", "gflops"),
    [
        ({"view": "video"}, 1000, 1000 * 2 * 105.85),
        ({"view": "audio", "items": "test"}, 100, 100 * 2 * 0.185),
        ({"view": "video", "num_clips": 3}, 300, 300 * 2 * 105.85),
        ({"view": "video", "items": "train"}, 900, 900 * 2 * 105.85),
    ],
)
def test_an_extraction_encodes_the_clips_of_its_items(
    settings: dict[str, Any], clips: int, gflops: float
) -> None:
    found = work(Features(corpus="x", seed=0, **settings), COUNTS, IICL)
    assert found.clips == clips
    assert found.flops == pytest.approx(1e9 * gflops, rel=0.002)
    assert found.num_ranks == -(-clips // 32)


def test_what_has_no_encoder_computes_nothing() -> None:
    sound = Features(corpus="x", seed=0, view="audio")
    assert work(sound, COUNTS, last_phase({"name": "mfcc"})) == StageWork(1000, 0.0, 1)
    assert work(last_phase({"name": "random_init"}), COUNTS, None) == NO_WORK
    assert work(Linear(corpus="x", seed=0), COUNTS, None) == NO_WORK
    assert work(CrossModal(corpus="x", seed=0), COUNTS, IICL) == NO_WORK


@pytest.mark.parametrize(
    ("method", "view", "legal"),
    [
        ({"name": "mfcc"}, "video", "mfcc trains no video encoder; it has: audio"),
        ({"name": "supervised", "modalities": "video"}, "audio", "no audio encoder; it has: video"),
    ],
)
def test_an_encoder_that_is_not_there_has_no_price(
    method: dict[str, Any], view: str, legal: str
) -> None:
    with pytest.raises(ValueError, match=legal):
        encoder_of(last_phase(method), view)


@pytest.mark.parametrize(
    ("method", "settings", "items"),
    [
        ({"name": "iicl"}, {}, "1/train/with_sound"),
        ({"name": "iicl"}, {"silent_items": "zero"}, "1/train"),
        ({"name": "supervised"}, {}, "1/train/with_sound"),
        ({"name": "supervised", "modalities": "video"}, {}, "1/train"),
    ],
)
def test_items_without_a_needed_view_are_not_paid_for(
    method: dict[str, Any], settings: dict[str, Any], items: str
) -> None:
    stage = last_phase(method, optimisation={"batch_size": 8}, **settings)
    assert items_trained_on(stage) == items
    epochs = stage.epochs
    assert work(stage, COUNTS, None).clips == COUNTS[items] // 8 * 8 * epochs


class Silent(MethodSettings):
    """Reads labels and one view; nothing of it is heard."""

    name: str = "silent"

    def samples(self, phase: str) -> tuple[Sample, ...]:
        return (VIDEO, LABEL)


def test_a_sample_without_an_encoder_is_read_and_not_encoded() -> None:
    stage = last_phase(Silent(), optimisation={"batch_size": 30})
    clips = 3 * 30 * stage.epochs
    assert work(stage, COUNTS, None) == StageWork(
        clips, clips * 3 * 2.0 * R2Plus1D().macs(Clip()), 1
    )


def test_each_sample_costs_what_its_own_frames_and_size_cost() -> None:
    """Per clip: video, video:fast and three times the sound; trained, and in two passes.

    The video is encoded twice more without a gradient.
    """
    stage = last_phase(
        Dear(),
        optimisation={"batch_size": 20, "chunk_size": 8},
        clips_per_item=2,
        clip={"size": 32},
    )
    video, audio = R2Plus1D(), ResNet()
    of_videos = video.macs(Clip(size=32)) + video.macs(Clip(num_frames=16, size=64))
    per_clip = of_videos + 3 * audio.macs(Clip())
    epochs, items = 5, COUNTS["1/train/with_sound"]
    trained = 2 * 2 * 20 * epochs  # two batches in each of two passes
    found = work(stage, COUNTS, None)
    forward = 2 * video.macs(Clip(size=32))
    macs = (3 * per_clip + forward) * trained + (per_clip + forward) * 2 * epochs * items
    assert found.flops == pytest.approx(2 * macs)
    assert found.clips == trained + 2 * epochs * items
    assert found.num_ranks == 3


@pytest.mark.parametrize(
    ("price", "passes"),
    [
        (Extra(), [0, 0, 0, 0, 0]),
        (Extra(corpus_passes=2), [0, 2, 4, 6, 8]),
        (Extra(corpus_passes=2, epochs_per_pass=3), [0, 2, 2, 2, 4]),
        (Extra(passes_at_start=1), [0, 1, 1, 1, 1]),
        (Extra(corpus_passes=1, epochs_per_pass=2, passes_at_start=1), [0, 2, 2, 3, 3]),
    ],
)
def test_passes_are_made_at_the_start_or_every_so_many_epochs(
    price: Extra, passes: list[int]
) -> None:
    class Passing(Silent):
        def extra(self, phase: str, encoded: object) -> Extra:
            return price

    assert [price.passes(epochs) for epochs in range(5)] == passes
    stage = last_phase(Passing(), optimisation={"batch_size": 30})
    for epochs, number in enumerate(passes):
        found = work(stage.model_copy(update={"epochs": epochs}), COUNTS, None)
        assert found.clips == 90 * epochs + COUNTS["1/train"] * number


def test_a_question_costs_a_forward_pass_of_all_that_a_step_encodes_in_whole_batches() -> None:
    """10 test items are 2 batches of 4; at a clip of its own, as are samples without one."""
    pretrained = last_phase(Dear())
    stage = Pretext(corpus="x", seed=0, batch_size=4, clip=Clip(size=32))
    video, audio = R2Plus1D(), ResNet()
    macs = 3 * video.macs(stage.clip) + video.macs(Clip(num_frames=16, size=64))
    macs += 3 * audio.macs(stage.clip)
    assert work(stage, COUNTS, pretrained) == StageWork(8, 8 * 2.0 * macs, 1)


@pytest.mark.parametrize("price", ["encodings", "forward_only"])
def test_a_price_for_a_sample_that_nothing_encodes_is_refused(price: str) -> None:
    class Wrong(Silent):
        def extra(self, phase: str, encoded: object) -> Extra:
            return Extra(**{price: {"label": 1}})

    with pytest.raises(AssertionError, match="prices samples without an encoder"):
        work(last_phase(Wrong()), COUNTS, None)


def test_prices_import_no_torch() -> None:
    code = (
        "import sys, iicl.work, iicl.footprint, iicl.data.volume\n"
        "assert not {'torch', 'av'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
