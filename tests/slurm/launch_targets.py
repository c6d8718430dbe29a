"""What the launcher's tests run."""

import os
import signal
from pathlib import Path


def write(path: Path, text: str) -> None:
    print(f"writing {text}")
    with path.open("a") as file:
        file.write(text + "\n")


def fail() -> None:
    print("before the end")
    raise RuntimeError("no such luck")


def die() -> None:
    print("last words", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


def wait_for_ever(path: Path) -> None:
    path.write_text(str(os.getpid()))
    signal.pause()
