"""When a session installs its packages, and when it leaves the environment alone."""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

ROOT = Path(__file__).parents[1]


class Session:
    """As much of a session of nox as an installation asks for; ``installs`` False is ``-R``."""

    def __init__(self, folder: Path, *, installs: bool = True, network: bool = True) -> None:
        self.virtualenv = SimpleNamespace(location=str(folder))
        self.num_installed = 0
        self._installs, self._network = installs, network

    def log(self, text: str) -> None:
        pass

    def install(self, *arguments: str) -> None:
        if self._installs and not self._network:
            raise ConnectionError
        self.num_installed += self._installs

    def run_install(self, *command: str, silent: bool) -> None:
        if self._installs:
            subprocess.run([sys.executable, *command[1:]], check=True)


@pytest.fixture
def noxfile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The noxfile of a checkout of its own, which is the current folder, as nox makes it."""
    monkeypatch.setattr("nox.registry._REGISTRY", {})  # the real one takes a name only once
    (tmp_path / "venv").mkdir()
    for name in ("pyproject.toml", "constraints.txt", "noxfile.py"):
        shutil.copy(ROOT / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    spec = importlib.util.spec_from_file_location("copied_noxfile", tmp_path / "noxfile.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def num_installed(noxfile: ModuleType, *groups: str, **options: bool) -> int:
    session = Session(Path("venv"), **options)
    noxfile.install(session, *groups)
    return session.num_installed


def test_a_second_session_needs_no_network(noxfile: ModuleType) -> None:
    assert num_installed(noxfile) == 1
    assert num_installed(noxfile, network=False) == 0


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt", "noxfile.py"])
def test_a_change_of_what_says_the_packages_installs_again(noxfile: ModuleType, name: str) -> None:
    assert num_installed(noxfile) == 1
    with Path(name).open("a") as file:
        file.write("# changed\n")
    assert num_installed(noxfile) == 1
    assert num_installed(noxfile) == 0
    assert num_installed(noxfile, "test") == 1


def test_an_installation_that_failed_or_was_left_out_counts_for_nothing(
    noxfile: ModuleType,
) -> None:
    before = Path("constraints.txt").read_text()
    assert num_installed(noxfile) == 1
    Path("constraints.txt").write_text(before + "# changed\n")
    with pytest.raises(ConnectionError):
        num_installed(noxfile, network=False)
    Path("constraints.txt").write_text(before)
    assert num_installed(noxfile, installs=False) == 0
    assert num_installed(noxfile) == 1


def test_an_environment_of_a_moved_checkout_is_installed_anew(
    noxfile: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert num_installed(noxfile) == 1
    moved = Path.cwd() / "moved"
    shutil.copytree(Path.cwd(), moved)
    monkeypatch.chdir(moved)
    assert num_installed(noxfile) == 1


def test_without_an_environment_nothing_is_stamped(noxfile: ModuleType) -> None:
    session = Session(Path("venv"))
    session.virtualenv = SimpleNamespace()  # as with --no-venv
    noxfile.install(session)
    assert session.num_installed == 1
    assert list(Path("venv").iterdir()) == []
