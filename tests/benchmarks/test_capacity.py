"""Bytes against the store and the networks, and what a scale asks of a cluster."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import fake_stages
import numpy as np
import pytest

from benchmarks import capacity
from benchmarks.plan import cost, sizes
from benchmarks.plan.graph import Plan
from benchmarks.plan.schedule import enough, simulate
from benchmarks.spec.scale import PreparedSize
from iicl import config, methods
from iicl.config import Augmentation, Clip, Encoders, Preparation
from iicl.data import loader, manifest
from iicl.data.prepare import prepare
from iicl.data.store import PreparedCorpus
from iicl.data.synthetic import media
from iicl.training import checkpoint

FULL = Encoders().model_dump()
STORE = PreparedSize(
    video_bytes_per_second=41_000,
    prepare_seconds_per_second=0.1,
    decode_seconds_per_clip=0.006,
    origin="invented",
)


@pytest.fixture(scope="module")
def paper() -> Plan:
    return capacity.read("paper")


@pytest.mark.parametrize("ranks", [1, 2, 3, 8])
def test_an_all_reduce_moves_what_a_ring_does(ranks: int) -> None:
    parts = np.arange(ranks * ranks, dtype=float).reshape(ranks, ranks)  # rank, part of its vector
    expected, sent = parts.sum(axis=0), 0
    for adds in (True, False):  # sums go round, then what they came to
        for step in range(ranks - 1):
            before = parts.copy()
            for rank in range(ranks):
                part = (rank - step + (0 if adds else 1)) % ranks
                to = (rank + 1) % ranks
                parts[to, part] = before[rank, part] + (before[to, part] if adds else 0)
            sent += 1  # part of each rank
    assert (parts == expected).all()
    assert sizes.all_reduce_bytes(8 * ranks, ranks) == 8 * sent


@pytest.mark.parametrize(
    "settings",
    [
        {"name": "iicl"},
        {"name": "iicl", "clusters": 7, "heads": "separate"},
        {"name": "iicl", "objective": "cluster", "cluster_start": "instance"},
        {"name": "iicl", "objective": "instance", "instance_space": "h"},
        {"name": "supervised"},
        {"name": "supervised", "modalities": "video"},
        {"name": "random_init"},
        {"name": "mfcc"},
    ],
)
def test_parameters_are_those_of_the_method(settings: Mapping[str, Any]) -> None:
    encoders = {"video_width": 4, "video_depth": 2, "audio_width": 4, "audio_depth": 2}
    phases = fake_stages.resolve(
        "pretrain", {"corpus": "x", "method": settings, "seed": 0, "encoders": encoders}
    )
    for phase in phases:
        made = config.Pretrain.model_validate(phase)
        method = methods.build(made.method, made.phase, made.encoders, 5)
        count = sum(
            value.numel()
            for name, value in method.named_parameters()
            if not name.startswith("classifier")
        )
        assert sizes.parameters(phase) == count


def test_parameters_of_the_papers_encoders() -> None:
    clip = Clip().model_dump()
    assert cost.num_parameters(cost.video_convolutions(clip, FULL)) == 31_300_125
    assert cost.num_parameters(cost.audio_convolutions(clip, FULL)) == 11_170_240


def test_what_is_known_of_the_store_and_of_checkpoints_is_true() -> None:
    assert sizes.GOP == manifest.GOP
    assert sizes.VERIFY_EPOCHS == loader.VERIFY_EPOCHS
    assert sizes.KEPT_CHECKPOINTS == checkpoint.NUM_KEPT
    assert config.Execution().checkpoint_seconds == sizes.CHECKPOINT_SECONDS
    assert Preparation().max_fps == sizes.STORED_FPS
    assert Preparation().sample_rate == sizes.SAMPLE_RATE


def test_a_run_leaves_what_hand_arithmetic_says(paper: Plan) -> None:
    def left(stage: str, corpus: str, **settings: Any) -> set[int]:
        return {
            sizes.run_bytes(run, capacity.encoder(run, paper))
            for run in paper.runs.values()
            if run.stage == stage
            and run.corpus.name == corpus
            and all(run.resolved[key] == value for key, value in settings.items())
        }

    encoders, g_ins = 31_300_125 + 11_170_240, 512 * 513 + 1024 * 513
    # float32: weights, and two checkpoints of the weights and Adam's two moments
    assert left("pretrain", "ucf101", phase="initialisation") == {7 * 4 * (encoders + g_ins)}
    g_clu = 512 * 513 + 400 * 513
    found = left("pretrain", "ucf101", phase="co_training")
    assert found == {7 * 4 * (encoders + g_ins + g_clu)}
    # an untrained control: weights and one checkpoint without moments
    assert 2 * 4 * encoders in left("pretrain", "ucf101", epochs=0)
    assert left("finetune", "hmdb51") == {5 * 4 * 31_300_125}  # one momentum of SGD
    assert left("features", "ucf101") == {13_320 * 10 * 512 * 4}
    assert 2 * 20 * 4 * 60 * 200 in left("features", "dcase2013")  # mfcc: 20 means, 20 deviations
    assert left("retrieval", "ucf101") == {0}


def test_an_item_takes_its_video_and_its_sound() -> None:
    assert sizes.item_bytes({"video": 10, "audio": 5}, STORE) == 410_000 + 160_000
    assert sizes.item_bytes({"audio": 30}, STORE) == 960_000


def test_a_clip_reads_what_the_loader_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = np.random.default_rng(0)
    (tmp_path / "clips").mkdir()
    for name in range(2):
        planes = draw.integers(0, 255, (300, 48, 32), np.uint8)
        samples = draw.integers(-999, 999, 160_000).astype(np.int16)
        media.write(tmp_path / "clips" / f"{name}.mp4", media.Media(planes, samples, 30, 16_000))
    manifest = prepare(
        "folder",
        tmp_path / "clips",
        tmp_path / "out",
        corpus="x",
        preparation=Preparation(short_side=32),
        num_workers=1,
    )
    rate = sum(item.num_video_bytes for item in manifest.items) / 20  # seconds
    store = STORE.model_copy(update={"video_bytes_per_second": rate})
    read: list[int] = []

    def counted(self: PreparedCorpus, item: Any, offset: int, length: int) -> bytes:
        read.append(length)
        return really(self, item, offset, length)

    really = PreparedCorpus._read
    monkeypatch.setattr(PreparedCorpus, "_read", counted)
    corpus = PreparedCorpus.open(tmp_path / "out")
    batches = loader.make_loader(
        corpus,
        corpus.select(["video", "audio"]),
        Clip(size=32),
        views=["video", "audio"],
        sampling="random",
        augmentation=Augmentation(),
        batch_size=2,
        epochs=range(2 * loader.VERIFY_EPOCHS),
    )
    clips = sum(len(batch) for batch in batches)
    assert len(read) / clips == sizes.reads_per_clip()
    per_clip = sizes.clip_bytes(Clip().model_dump(), {"video": 10, "audio": 10}, store)
    assert sum(read) / clips == pytest.approx(per_clip, rel=0.02)


def test_a_pretraining_uses_a_gpu_for_each_chunk_and_others_one(paper: Plan) -> None:
    found: dict[str, set[int]] = {}
    for run in paper.runs.values():
        found.setdefault(run.stage, set()).add(capacity.most_devices(run))
    # 256 clips in chunks of 32; an untrained control and mfcc compute nothing
    assert found == {
        "pretrain": {0, 8},
        "finetune": {1},
        "features": {0, 1},
        "linear": {0},
        "retrieval": {0},
        "clustering": {0},
        "crossmodal": {0},
    }


def test_the_longest_chain_of_table_1_is_a_pretraining_and_a_fine_tuning(paper: Plan) -> None:
    graph = capacity.tasks(paper.of(paper.tables[0]), paper.scale)
    forward = 2 * 105.85e9
    clips = 600 * (1_784_108 // 256) * 256  # 600 epochs of AudioSet
    pretraining = clips * 3 * (forward + 2 * 0.185e9) / 8 / 1e14
    finetuning = (9537 * 10 * 12 * 3 + 3783 * 10 * 3) * forward / 1e14
    many = simulate(graph, 10_000)
    assert many.seconds == pytest.approx(pretraining + finetuning, rel=0.001)
    useful = enough(graph, capacity.NODE)
    assert simulate(graph, useful).seconds == many.seconds
    assert simulate(graph, useful - capacity.NODE).seconds > many.seconds


@pytest.mark.parametrize(
    ("value", "text"),
    [(41_316.0, "41,000"), (8.8, "8.8"), (99.9, "100"), (0.2035, "0.2"), (12.0, "12"), (0, "0")],
)
def test_a_figure_has_two_digits(value: float, text: str) -> None:
    assert capacity.figure(value) == text


@pytest.mark.parametrize("scale", ["desk", "papers"])
def test_a_scale_that_does_not_say_what_clips_take_is_refused(
    scale: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert capacity.main(["--scale", scale]) == 2
    error = capsys.readouterr().err
    assert error == f"error: --scale {scale!r}; legal: gpu-day, paper\n"


def test_the_smaller_gpu_scale_can_be_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert capacity.main(["--scale", "gpu-day"]) == 0
    assert "| ucf101" in capsys.readouterr().out
