import errno
import logging
import multiprocessing
import os
import signal
import struct

import pytest
import torch

from iicl.training import checkpoint


def state(value: float) -> dict:
    return {"method": {"weight": torch.full((3,), value)}, "curve": [{"step": 0, "total": value}]}


def test_the_last_two_are_kept_and_the_newest_is_loaded(tmp_path):
    for step in (5, 10, 15):
        checkpoint.save(tmp_path, step, state(float(step)))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step-000000010.pt", "step-000000015.pt"]
    step, loaded = checkpoint.load_latest(tmp_path)
    assert step == 15
    assert torch.equal(loaded["method"]["weight"], torch.full((3,), 15.0))


def test_none_where_nothing_was_saved(tmp_path):
    assert checkpoint.load_latest(tmp_path / "absent") is None


@pytest.mark.parametrize("damage", ["truncated", "empty", "overwritten", "misspelt", "flipped"])
def test_a_damaged_newest_falls_back_loudly(tmp_path, caplog, damage):
    for step in (5, 10):
        checkpoint.save(tmp_path, step, state(float(step)))
    newest = tmp_path / "step-000000010.pt"
    content = newest.read_bytes()
    newest.write_bytes(
        {
            "truncated": content[: len(content) // 2],
            "empty": b"",
            "overwritten": b"x" * 500,
            "flipped": content.replace(
                struct.pack("<3f", 10, 10, 10), struct.pack("<3f", 10, 8, 10)
            ),
            "misspelt": content.replace(b"collections", b"col\xdfections"),
        }[damage]
    )
    with caplog.at_level(logging.WARNING):
        step, _ = checkpoint.load_latest(tmp_path)
    assert step == 5
    assert "step-000000010.pt is damaged" in caplog.text


def test_a_damaged_newest_does_not_push_out_a_good_one(tmp_path):
    for step in (5, 10):
        checkpoint.save(tmp_path, step, state(float(step)))
    (tmp_path / "step-000000010.pt").write_bytes(b"")
    checkpoint.save(tmp_path, 7, state(7.0))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step-000000005.pt", "step-000000007.pt"]


def test_what_was_left_half_written_is_removed(tmp_path):
    def save_and_die() -> None:
        os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
        checkpoint.save(tmp_path, 10, state(10.0))

    checkpoint.save(tmp_path, 5, state(5.0))
    process = multiprocessing.get_context("fork").Process(target=save_and_die)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 2
    checkpoint.save(tmp_path, 10, state(10.0))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step-000000005.pt", "step-000000010.pt"]


def test_all_damaged_is_an_error_and_not_a_fresh_start(tmp_path):
    checkpoint.save(tmp_path, 5, state(1.0))
    (tmp_path / "step-000000005.pt").write_bytes(b"")
    with pytest.raises(ValueError, match=r"step-000000005\.pt"):
        checkpoint.load_latest(tmp_path)


def test_pickled_code_is_not_run(tmp_path):
    class Payload:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "executed"),)

    checkpoint.save(tmp_path, 5, state(1.0))
    checkpoint.save(tmp_path, 10, Payload())
    step, _ = checkpoint.load_latest(tmp_path)
    assert step == 5
    assert not (tmp_path / "executed").exists()


def test_a_full_disk_leaves_the_last_good_state(tmp_path, monkeypatch):
    checkpoint.save(tmp_path, 5, state(5.0))

    def no_space(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError, match="No space left"):
        checkpoint.save(tmp_path, 10, state(10.0))
    assert [p.name for p in tmp_path.iterdir()] == ["step-000000005.pt"]
    assert checkpoint.load_latest(tmp_path)[0] == 5
