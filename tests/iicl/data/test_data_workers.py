"""What becomes of the reading when a worker is dead, stuck, slow or short of shared memory."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from torch.utils.data import DataLoader, Dataset

from iicl.data import workers
from iicl.data.store import PreparedCorpus
from iicl.data.workers import Pulse, WorkerError, read_watched, start_worker

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="workers are for Linux")


class Made(Dataset):
    """Items that a function makes in a worker."""

    def __init__(self, make: Callable[[int], Any], num_items: int) -> None:
        self._make = make
        self._num_items = num_items

    def __len__(self) -> int:
        return self._num_items

    def __getitem__(self, number: int) -> Any:
        return self._make(number)


def read(
    make: Callable[[int], Any], pulse: Pulse | None = None, num_items: int = 6
) -> Iterator[Any]:
    loader = DataLoader(
        Made(make, num_items),
        batch_size=None,
        num_workers=2,
        worker_init_fn=start_worker,
        timeout=workers.POLL_SECONDS,
        multiprocessing_context="fork",
    )
    return read_watched(loader, pulse or Pulse(2))


def children() -> list[str]:
    path = f"/proc/{os.getpid()}/task/{os.getpid()}/children"
    return Path(path).read_text().split()


def test_items_come_in_order_and_workers_end_with_them() -> None:
    before = children()
    assert list(read(lambda number: number * number)) == [0, 1, 4, 9, 16, 25]
    assert children() == before


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "memory ran out as a rule"),
        (lambda: os.kill(os.getpid(), signal.SIGBUS), r"killed by signal: Bus error|exited unexp"),
        (lambda: os._exit(3), "exited unexpectedly"),
    ],
)
def test_a_dead_worker_ends_the_reading_with_its_reason(
    end: Callable[[], None], reason: str
) -> None:
    def dies_at_the_third(number: int) -> int:
        if number == 2:
            end()
        return number

    with pytest.raises(WorkerError, match=reason) as caught:
        list(read(dies_at_the_third))
    assert "num_workers 0" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("stuck", ["stopped", "reading"])
def test_a_stuck_worker_ends_the_reading(stuck: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(workers, "STUCK_SECONDS", 0.1)
    before = children()

    def hangs(number: int) -> int:
        if stuck == "stopped":
            os.kill(os.getpid(), signal.SIGSTOP)
        threading.Event().wait()
        return number

    with pytest.raises(WorkerError, match="have read nothing for 0 s: one was stopped, or its"):
        list(read(hangs))
    assert children() == before


def test_a_slow_worker_is_waited_for_while_it_gives_beats() -> None:
    pulse = Pulse(2)
    polls = iter(range(1000))

    class Slow:
        """Times out 1000 times; a beat comes a moment before it is too late."""

        def __next__(self) -> str:
            number = next(polls, None)
            if number is None:
                return "batch"
            if number % int(workers.STUCK_SECONDS / workers.POLL_SECONDS - 1) == 0:
                pulse._counts[1] += 1
            raise RuntimeError("DataLoader timed out after 1.0 seconds")

    assert workers._next(Slow(), pulse) == "batch"  # type: ignore[arg-type]


def test_a_worker_beats_and_its_parent_counts() -> None:
    pulse = Pulse(2)
    pulse.beat()
    assert pulse.total() == 0
    list(read(lambda number: pulse.beat(), pulse, num_items=5))
    assert pulse.total() == 5


@pytest.mark.parametrize("error", [ValueError("shard 3 is damaged"), RuntimeError("of its own")])
def test_an_error_of_the_reading_arrives(error: Exception) -> None:
    def fails(number: int) -> int:
        raise error

    with pytest.raises(type(error), match=str(error)) as caught:
        list(read(fails))
    assert type(caught.value) is type(error)


PROGRAM = """
import os, signal
from torch.utils.data import DataLoader
from iicl.data.workers import Pulse, read_watched, start_worker
class Processes:
    def __len__(self): return 100
    def __getitem__(self, number): return os.getpid()
batches = read_watched(DataLoader(
    Processes(), batch_size=None, num_workers=2, worker_init_fn=start_worker, timeout=1.0,
    multiprocessing_context="fork"), Pulse(2))
for _ in range(2): print(next(batches), flush=True)
"""


@pytest.mark.parametrize(
    ("how", "code"),
    [("os.kill(os.getpid(), signal.SIGKILL)", -9), ("pass", 0), ("1 / 0", 1), ("exit(7)", 7)],
)
def test_workers_end_with_their_parent(how: str, code: int) -> None:
    command = [sys.executable, "-c", PROGRAM + how]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as parent:
        # Until nobody holds the pipes open, which is when the last worker has ended.
        printed, errors = parent.communicate(timeout=100)
        assert parent.returncode == code
    assert len(printed.split()) == 2
    assert ("Traceback" in errors) == (how == "1 / 0"), errors


READER = """
import sys
from pathlib import Path
from iicl.config import Clip
from iicl.data.draws import Contents
from iicl.data.loader import make_loader
from iicl.data.sampling import Batching
from iicl.data.store import PreparedCorpus
from iicl.samples import AUDIO, VIDEO
corpus = PreparedCorpus.open(Path(sys.argv[1]))
clip = Clip(num_frames=64, fps=8, size=32, audio_seconds=1.0, spectrogram_frames=50)
print(len(list(make_loader(
    corpus, corpus.select(["video", "audio"]), Contents(clip, (VIDEO, AUDIO)),
    Batching("random", batch_size=6, epochs=range(8)), num_workers=int(sys.argv[2])))))
"""


@pytest.mark.parametrize(
    ("num_workers", "size", "reason"),
    [
        (0, "1m", ""),
        (2, "1m", r"no shared memory for a batch of 1\.5 MB: /dev/shm has \S+ of 1\.0 MB free"),
        # Each lock that the processes share takes a page there.
        (2, "8k", r"workers cannot start: .*; /dev/shm has 0\.0 of 0\.0 MB free"),
        (2, "24k", "/dev/shm has 0.0 of 0.0 MB free"),
    ],
)
def test_too_small_a_dev_shm_ends_the_reading_with_the_remedy(
    corpus: PreparedCorpus, num_workers: int, size: str, reason: str
) -> None:
    mount = f"mount -t tmpfs -o size={size} tmpfs /dev/shm"
    unshare = ["unshare", "--user", "--map-root-user", "--mount"]
    inside = [*unshare, "bash", "-c", f'{mount} && exec "$@"', "bash"]
    if not shutil.which("unshare") or subprocess.run([*inside, "true"], check=False).returncode:
        pytest.skip("this host lets nobody mount a /dev/shm of their own")
    command = [*inside, sys.executable, "-c", READER, str(corpus.path), str(num_workers)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    if not num_workers:
        assert ended.stdout == "8\n", ended.stderr
        return
    last = ended.stderr.splitlines()[-1]
    assert re.search(f"WorkerError: .*{reason}", last), ended.stderr
    assert "docker run --shm-size" in last
    assert "num_workers 0" in last
