import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from iicl.data.writing import pool


def work(batch: tuple[Path, list[str]], context: pool.BatchContext) -> None:
    """Writes what became of each item; an item's text says what to do."""
    folder, items = batch
    lines = []
    for number, item in enumerate(items):
        with context.item(number):
            if number in context.skipped:
                lines.append(context.skipped[number])
                continue
            if item == "crash":
                ctypes.string_at(0)
            if item == "hang":
                time.sleep(60)
            if item == "crash once" and not (folder / "crashed").exists():
                (folder / "crashed").touch()
                os.abort()
            if item.startswith("SIG"):
                os.kill(os.getpid(), signal.Signals[item])
            if item == "full":
                raise OSError(28, "No space left on device")
            lines.append(item)
    (folder / items[0]).write_text("\n".join(lines))


def test_crashes_and_hangs_cost_only_their_item(tmp_path: Path) -> None:
    batches = [
        (tmp_path, ["a", "crash", "b"]),
        (tmp_path, ["c", "hang", "crash once", "d"]),
        (tmp_path, ["e", "f"]),
    ]
    begun: list[None] = []
    pool.run_batches(work, batches, 2, lambda: begun.append(None), item_seconds=2)
    lines = {name: (tmp_path / name).read_text().splitlines() for name in "ace"}
    assert lines["a"] == ["a", "decoder crashes its process (SIGSEGV)", "b"]
    assert lines["c"] == ["c", "decoder hangs: no result after 2 s", "crash once", "d"]
    assert lines["e"] == ["e", "f"]
    assert len(begun) >= 9


def test_a_request_to_stop_is_not_for_workers_and_no_fault_of_the_item(tmp_path: Path) -> None:
    items = ["h", "SIGTERM", "SIGUSR1", "SIGUSR2"]
    begun: list[None] = []
    pool.run_batches(work, [(tmp_path, items)], 1, lambda: begun.append(None))
    assert (tmp_path / "h").read_text().splitlines() == items
    assert len(begun) == len(items)


def test_an_error_of_the_work_itself_reaches_the_caller(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No space left"):
        pool.run_batches(work, [(tmp_path, ["g", "full"])], 1, lambda: None)


def test_a_worker_that_cannot_start_is_an_error(tmp_path: Path) -> None:
    script = tmp_path / "main.py"
    script.write_text(
        "from iicl.data.writing import pool\n"
        "import os\n"
        "if __name__ != '__main__':\n"
        "    os._exit(3)\n"
        "pool.run_batches(print, [1], 1, lambda: None)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[4])}
    result = subprocess.run(
        [sys.executable, str(script)], env=environment, capture_output=True, text=True, check=False
    )
    assert "died before its first item (exit status 3)" in result.stderr


def test_nothing_to_do_starts_nothing() -> None:
    pool.run_batches(work, [], 0, lambda: None)


def slow_reader(num_beats: int, context: pool.BatchContext) -> int:
    """Works for longer than an item may take, and says that it gets on."""
    if context.skipped:
        return 0
    with context.item(0):
        for _ in range(num_beats):
            context.restart_time()
            time.sleep(0.5)
    return num_beats


def test_a_large_file_that_is_read_slowly_is_no_hang() -> None:
    assert pool.run_batches(slow_reader, [3], 1, lambda: None, item_seconds=1) == [3]
