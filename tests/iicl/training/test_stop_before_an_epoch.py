"""A request to stop while a method reads the corpus before an epoch."""

import signal

import pytest
import torch

from iicl import interruption
from iicl.training import checkpoint
from tests.iicl.training.one_number import Number, train


class Passing(Number):
    """Reads the corpus before each epoch, twice the mean of which it adds to its number."""

    def __init__(self, stopped_at=None):
        super().__init__(noisy=False)
        self.num_encoded, self.stopped_at = 0, stopped_at

    def encode(self, batch):
        self.num_encoded += 1
        if self.num_encoded == self.stopped_at:
            signal.raise_signal(signal.SIGUSR2)
        return super().encode(batch)

    def before_epoch(self, epoch, corpus_pass):
        self.x += 2 * corpus_pass(["product"])["product"].mean()
        return ()


def test_a_request_to_stop_is_met_inside_a_corpus_pass_and_loses_no_step(tmp_path):
    def settings(method):
        return {"method": method, "steps_per_epoch": 3, "checkpoint_seconds": 3600}

    whole, outcome = train(tmp_path / "whole", **settings(Passing()))
    handler = signal.getsignal(signal.SIGUSR2)
    interruption.listen(lambda name: None, signal.SIGUSR2)
    try:
        # A pass of two chunks, three steps, and the first chunk of the next pass.
        stopped = Passing(stopped_at=2 + 3 + 1)
        with pytest.raises(interruption.Interrupted, match="SIGUSR2"):
            train(tmp_path / "stopped", **settings(stopped))
        interruption.listen(lambda name: None, signal.SIGUSR2)  # as in another process
    finally:
        signal.signal(signal.SIGUSR2, handler)
    assert stopped.num_encoded == 2 + 3 + 1  # the second chunk is not encoded any more
    num_done, state = checkpoint.load_latest(tmp_path / "stopped" / "checkpoints")
    assert (num_done, state["epochs_begun"]) == (3, 1)
    resumed, again = train(tmp_path / "stopped", **settings(Passing()))
    assert torch.equal(whole.x, resumed.x)
    assert again.num_items_in_corpus_passes == outcome.num_items_in_corpus_passes == 6
