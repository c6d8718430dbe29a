"""The systems that the suite runs on."""

import sys


def require_posix() -> None:
    """Leave with one line and exit code 2 on Windows, which lacks file locks, signals and forks.

    A command calls this before it imports anything that needs them.
    """
    if sys.platform == "win32":
        print(
            "error: iicl-bench runs on Linux and macOS; on Windows use WSL,"
            " the Windows Subsystem for Linux",
            file=sys.stderr,
        )
        raise SystemExit(2)
