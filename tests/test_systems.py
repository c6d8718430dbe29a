"""macOS and Windows, each played by a Linux Python from which its missing parts are taken."""

import ast
import os
import re
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import av
import pytest

import slurm.host
from iicl import host as iicl_host

ROOT = Path(__file__).parents[1]
SYSTEMS = Path(__file__).parent / "systems"
RUN = ("benchmarks/run.py", "--table", "VI", "--scale", "smoke")


def command(system: str, *words: str) -> subprocess.CompletedProcess[str]:
    """What a command of the checkout does on a system."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(SYSTEMS / system), str(ROOT)]),
        "OMP_NUM_THREADS": "1",
    }
    return subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def iicl(*words: str) -> tuple[str, ...]:
    """The words that run the command ``iicl``."""
    return ("-c", "import sys; from iicl.cli import main; sys.exit(main())", *words)


def test_the_played_mac_lacks_what_a_mac_lacks() -> None:
    look = (
        "import os, sys; from pathlib import Path; print(sys.platform, Path('/proc').exists(),"
        " hasattr(os, 'sched_getaffinity'), Path('/').exists())"
    )
    assert command("darwin", "-c", look).stdout.split() == ["darwin", "False", "False", "True"]


@pytest.mark.parametrize(
    "words",
    [iicl("--help"), ("benchmarks/run.py", "--help"), ("benchmarks/report.py", "--help")],
    ids=["iicl", "run", "report"],
)
def test_a_mac_shows_the_help(words: tuple[str, ...]) -> None:
    done = command("darwin", *words)
    assert (done.returncode, done.stderr) == (0, "")
    assert "usage:" in done.stdout


def test_a_mac_prepares_clips(tmp_path: Path) -> None:
    clips, out = tmp_path / "clips", str(tmp_path / "prepared")
    (clips / "grey").mkdir(parents=True)
    with av.open(clips / "grey" / "a.mp4", "w") as file:
        stream = file.add_stream("mpeg4", rate=8, width=32, height=32)
        for _ in range(16):
            file.mux(stream.encode(av.VideoFrame(32, 32, "yuv420p")))
        file.mux(stream.encode())
    options = ("--reader", "folder", "--short-side", "32", "--max-fps", "8", "--workers", "2")
    done = command("darwin", *iicl("prepare", "mine", str(clips), out, *options))
    assert (done.returncode, done.stderr) == (0, f"{out}: 1 decoded, 0 taken over\n")
    assert done.stdout.startswith("mine: 1 of 1 items usable, read by folder\n")


def test_a_mac_plans_a_table(tmp_path: Path) -> None:
    done = command("darwin", *RUN, "--dry-run", "--home", str(tmp_path / "home"))
    assert (done.returncode, done.stderr) == (0, "")
    assert "plan, scale smoke" in done.stdout


@pytest.mark.parametrize(
    "words",
    [
        iicl("--help"),
        iicl("prepare", "ucf101", "a", "b"),
        (*RUN, "--dry-run"),
        ("benchmarks/report.py",),
        ("benchmarks/capacity.py",),
        ("-m", "slurm.devcluster", "start", "a"),
    ],
    ids=["help", "prepare", "run", "report", "capacity", "devcluster"],
)
def test_on_windows_every_command_is_one_line(words: tuple[str, ...]) -> None:
    done = command("win32", *words)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert "on Windows use WSL" in line


@pytest.fixture(scope="module")
def empty_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment without any package."""
    folder = tmp_path_factory.mktemp("empty")
    venv.create(folder, with_pip=False)
    return folder / "bin" / "python"


@pytest.mark.parametrize(
    ("words", "packages"),
    [
        *(((f"benchmarks/{name}.py", "--help"), slurm.host.PACKAGES)
          for name in ("run", "report", "capacity")),
        (iicl("--help"), iicl_host.PACKAGES),
        (iicl("prune", "a"), iicl_host.PACKAGES),
    ],
    ids=["run", "report", "capacity", "iicl", "prune"],
)  # fmt: skip
def test_without_packages_a_command_says_how_to_install_them(
    empty_python: Path, words: tuple[str, ...], packages: tuple[str, ...]
) -> None:
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [empty_python, *words], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.split(": ", 1)[1] == (
        f"{', '.join(packages)} cannot be imported; in the project's folder:"
        " pip install -e '.[suite]'"
    )


OF_PYDANTIC = ("pydantic_core", "typing_extensions")  # which it brings
IMPORTED_AS = {"pyyaml": "yaml", "pillow": "PIL", "scikit-learn": "sklearn"}


def test_the_packages_that_are_asked_for_are_those_that_an_installation_brings() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for texts, packages in (
        (project["dependencies"], iicl_host.PACKAGES),
        (project["optional-dependencies"]["suite"], slurm.host.SUITE),
    ):
        names = [re.match(r"[\w-]+", text)[0] for text in texts]
        assert sorted(IMPORTED_AS.get(name, name) for name in names) == sorted(packages)


def test_the_suite_imports_no_other_packages() -> None:
    """At the top of a module; what a function imports, only its command needs."""
    known = {*slurm.host.PACKAGES, *OF_PYDANTIC, "slurm", "benchmarks", *sys.stdlib_module_names}
    files = [*(ROOT / "slurm").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")]
    for file in files:
        if "throughput" in file.parts:
            continue
        for node in ast.parse(file.read_text()).body:
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            assert {name.split(".")[0] for name in names} <= known, file
