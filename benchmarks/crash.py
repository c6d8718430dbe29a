"""What a command says and returns when it breaks for a reason that it does not know."""

import sys
import traceback

EXIT_CODE = 5


def report(problem: Exception) -> int:
    """Print the traceback and one plain line; the exit code of a crash."""
    traceback.print_exception(problem)
    words = " ".join(f"{type(problem).__name__}: {problem}".split())
    print(f"crashed: {words[:300]}; nothing that was finished is lost", file=sys.stderr)
    return EXIT_CODE
