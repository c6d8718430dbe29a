"""What a checkpoint of a pretraining holds, and a resume from it."""

import json
import multiprocessing
import random
import signal
from pathlib import Path

import torch

from iicl.config import PretrainLength
from iicl.footprint import footprint
from iicl.pretraining import pretrain_phases
from iicl.training import checkpoint, pretrain
from tests.iicl.context import context
from tests.iicl.training.small_pretraining import run, same_weights

NUM_KILLS = 6


def test_a_checkpoint_holds_what_it_is_priced_for(stages):
    """Trained numbers and their moments, in float32."""
    for phase, folder in zip(*stages, strict=True):
        _, state = checkpoint.load_latest(folder / "checkpoints")
        moments = [
            value
            for parameter_state in state["optimiser"]["state"].values()
            for name, value in parameter_state.items()
            if name != "step"
        ]
        parameters = footprint(phase, {}, None).parameters
        assert sum(value.numel() for value in moments) == 2 * parameters
        num_bytes = footprint(phase, {}, None).checkpoint_bytes
        assert num_bytes == 4 * parameters + sum(value.nbytes for value in moments)


def test_killed_at_random_and_resumed_ends_in_the_same_bits(settings, corpora, tmp_path):
    (phase, _) = pretrain_phases(PretrainLength(initialisation=12, co_training=1), **settings)
    run(phase, corpora, tmp_path / "whole")
    (tmp_path / "killed").mkdir()
    receiving, sending = multiprocessing.Pipe(duplex=False)

    def attempt(out: Path) -> None:
        torch.set_num_threads(1)
        pretrain.run(
            phase,
            context(
                out,
                corpora=corpora,
                upstream={},
                report=lambda fraction, text: sending.send(text),
                checkpoint_seconds=0,
            ),
        )

    rng = random.Random(0)
    for _ in range(NUM_KILLS):
        process = multiprocessing.get_context("fork").Process(
            target=attempt, args=(tmp_path / "killed",)
        )
        process.start()
        # It dies in the step after the one it reports, or while that step is saved.
        for _ in range(rng.randint(1, 5)):
            receiving.recv()
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        assert not (tmp_path / "killed" / "weights.safetensors").exists()
        while receiving.poll():
            receiving.recv()
    run(phase, corpora, tmp_path / "killed", checkpoint_seconds=0)
    assert same_weights(tmp_path / "whole", tmp_path / "killed")
    curves = [
        [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").open()]
        for name in ("whole", "killed")
    ]
    assert curves[0] == curves[1]
    assert len(curves[0]) == 36
