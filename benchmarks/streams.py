"""Standard output and error that nobody may be reading any more."""

import io
import os
import sys
from typing import Any


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
