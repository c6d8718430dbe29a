"""What every command does alike: print on without a reader, and report its own crash."""

import io
import os
import sys
import traceback
from typing import Any

CRASHED = 5
"""Exit code of a command that broke: a fault of the suite."""


def report_crash(problem: Exception) -> int:
    """Print the traceback and one plain line; the exit code of a crash."""
    traceback.print_exception(problem)
    words = " ".join(f"{type(problem).__name__}: {problem}".split())
    print(f"crashed: {words[:300]}; nothing that was finished is lost", file=sys.stderr)
    return CRASHED


class _Lenient(io.FileIO):
    """A file that drops what is written once its reader is gone.

    A closed pipe (``| head``) ends no launch, and changes neither files nor the exit code.
    """

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self.fileno())
            os.close(null)
            return memoryview(data).nbytes


def survive_closed_pipes() -> None:
    """Let a program that is called from a shell print on after its reader is gone.

    A character that the terminal's encoding lacks becomes a question mark. Call it once, before
    anything is printed.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):  # None: it was closed before the start
            stream.flush()
            buffered = io.BufferedWriter(_Lenient(stream.fileno(), "wb", closefd=False))
            lenient = io.TextIOWrapper(
                buffered,
                stream.encoding,
                "replace" if name == "stdout" else stream.errors,
                line_buffering=stream.line_buffering,
                write_through=stream.write_through,
            )
            setattr(sys, name, lenient)
