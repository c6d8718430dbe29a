"""The systems that the suite runs on, and the packages that it needs."""

import importlib.util
import sys

# By the names that they are imported by: the extra "suite" of the package, and those packages of
# plain iicl that the suite imports too.
SUITE = ("jinja2", "pandas", "yaml", "statsmodels", "submitit", "tabulate")
PACKAGES = (*SUITE, "matplotlib", "numpy", "PIL", "pydantic", "rich", "scipy")


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


def require_packages() -> None:
    """Leave with one line and exit code 2 if a package is missing that the suite imports.

    A command calls this before it imports any of them.
    """
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        print(
            f"error: {', '.join(missing)} cannot be imported;"
            " in the project's folder: pip install -e '.[suite]'",
            file=sys.stderr,
        )
        raise SystemExit(2)
