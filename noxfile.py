"""Sessions of the project; ``nox -l`` lists them."""

import hashlib
import sys
from pathlib import Path

import nox

if sys.platform == "win32":
    print("iicl-bench runs on Linux and macOS; on Windows use WSL", file=sys.stderr)
    sys.exit(2)

nox.needs_version = ">=2024.10"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["lint", "tests"]

PROJECT = nox.project.load_toml("pyproject.toml")
THREADS = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
# Every job imports torch anew, which takes twice as long without byte code.
JOBS = {**THREADS, "PYTHONDONTWRITEBYTECODE": ""}
# What says which packages a session has.
SOURCES = ("pyproject.toml", "constraints.txt", "noxfile.py")
WRITE = "import pathlib, sys; pathlib.Path(sys.argv[1]).write_text(sys.argv[2])"
ON_DEVCLUSTER = ("python", "-m", "slurm.devcluster", "run", "--")


def install(session: nox.Session, *groups: str) -> None:
    """The package, its suite and dependency groups, at the versions the results were made with.

    An environment in which the same was installed before is left alone, which needs no network.
    """
    wanted = hashlib.sha256(repr((str(Path.cwd()), groups)).encode())
    for name in SOURCES:
        wanted.update(hashlib.sha256(Path(name).read_bytes()).digest())
    dependencies = nox.project.dependency_groups(PROJECT, *groups)
    packages = ("-c", "constraints.txt", "-e", ".[suite]", *dependencies)
    location = getattr(session.virtualenv, "location", None)
    if location is None:  # --no-venv
        session.install(*packages)
        return
    stamp = Path(location) / "installed.sha256"
    if stamp.is_file() and stamp.read_text() == wanted.hexdigest():
        session.log("the packages are installed already; nox --reuse-venv=never installs anew")
        return
    stamp.unlink(missing_ok=True)
    session.install(*packages)
    # Not written here, but as a part of the installation, which `nox -R` leaves out.
    session.run_install("python", "-c", WRITE, str(stamp), wanted.hexdigest(), silent=True)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the test suite, two processes at a time."""
    install(session, "test")
    session.run("pytest", "-n", "2", "--dist", "worksteal", *session.posargs, env=THREADS)


@nox.session
def slurm(session: nox.Session) -> None:
    """Start a real Slurm on this machine, run the tests that need one, and stop it."""
    install(session, "test")
    tests = ("python", "-m", "pytest", "-m", "slurm", "tests/slurm/integration")
    session.run(*ON_DEVCLUSTER, *tests, *session.posargs, env=JOBS)


@nox.session
def faults(session: nox.Session) -> None:
    """Make tables on a real Slurm while jobs, tasks, nodes and launchers are disturbed."""
    install(session, "test")
    session.run(*ON_DEVCLUSTER, "python", "tests/slurm/fault_run.py", *session.posargs, env=JOBS)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Prepare 1,000 mutated media files and compare each with what FFmpeg reads in it."""
    install(session, "test")
    session.run("python", "-m", "tests.fuzz.run", *session.posargs, env=THREADS)


@nox.session
def throughput(session: nox.Session) -> None:
    """Compare the speed of every part with that of the baseline commit."""
    install(session, "test")
    session.run("python", "benchmarks/throughput/guard.py", *session.posargs, env=JOBS)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and types."""
    install(session, "test", "lint")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")


def reproduce(name: str, words: str, table: str) -> None:
    """Add a session that reproduces one table."""

    def session_of_table(session: nox.Session) -> None:
        install(session)
        command = ("python", "benchmarks/run.py", "--table", table, "--yes", *session.posargs)
        # 1 is a complete table in which a claim of the paper does not hold: a result, no failure.
        session.run(*command, success_codes=[0, 1])

    session_of_table.__doc__ = f"Reproduce {words} at desk scale, or as the arguments after -- say."
    nox.session(session_of_table, name=name)


for number, numeral in enumerate(("I", "II", "III", "IV", "V", "VI"), start=1):
    reproduce(f"table{number}", f"Table {numeral}", numeral)
reproduce("figure3", "Figure 3", "figure3")
reproduce("esc10", "ESC-10, given as `-- --data esc50=PATH`,", "esc10")
reproduce("compared", "all methods on one encoder", "compared")
reproduce("controls", "each method with its signal and without it", "controls")
reproduce("tuning", "the tuning of each method", "tuning")
reproduce("interpretations", "the table of the paper's open readings", "interpretations")


@nox.session
def report(session: nox.Session) -> None:
    """Write report.html from the tables at desk scale, or as the arguments after ``--`` say."""
    install(session)
    session.run("python", "benchmarks/report.py", *session.posargs)
