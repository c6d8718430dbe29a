"""What the command needs of its host: a system, packages, and readers of its output."""

import importlib.util
import io
import os
import sys
from typing import Any

# The package's dependencies, by the names that Python imports them by.
# fmt: off
PACKAGES = (
    "torch", "torchvision", "torchaudio", "av", "joblib", "matplotlib", "numpy", "PIL", "pydantic",
    "rich", "safetensors", "sklearn", "scipy", "threadpoolctl",
)
# fmt: on


def problem() -> str:
    """Why the command cannot run here, in one line; empty if it can."""
    if sys.platform == "win32":
        return "this runs on Linux and macOS; on Windows use WSL, the Windows Subsystem for Linux"
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        return (
            f"{', '.join(missing)} cannot be imported; in the project's folder:"
            " pip install -e '.[suite]'"
        )
    return ""


class _Lenient(io.FileIO):
    """A file that drops what is written once its reader is gone."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self.fileno())
            os.close(null)
            return memoryview(data).nbytes


def survive_closed_pipes() -> None:
    """Let the process go on, with the same exit code, after a reader is gone (``| head``)."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            stream.flush()
            buffered = io.BufferedWriter(_Lenient(stream.fileno(), "wb", closefd=False))
            # Names of files may have characters that the terminal does not know.
            errors = "replace" if stream.errors == "strict" else stream.errors
            behaviour = (None, stream.line_buffering, stream.write_through)
            setattr(sys, name, io.TextIOWrapper(buffered, stream.encoding, errors, *behaviour))
