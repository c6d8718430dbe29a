import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from slurm.site import SlurmSite, read_site

ROOT = Path(__file__).parents[1]
FENCED = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"^    ((?:python|nox|iicl|pip|uv) .*)$", re.MULTILINE)


def commands(name: str) -> list[str]:
    text = (ROOT / name).read_text()
    lines = [line for block in FENCED.findall(text) for line in block.splitlines()]
    lines += INDENTED.findall(text)
    return [line.split("  #")[0].strip() for line in lines]


PYTEST = "python -m pytest "
INSTALLS = ("pip install -e ", "pip install -c ", "uv sync ", "uv pip install ")

# Shown for a site that tests/slurm/integration/test_site_of_your_own.py adds to a real Slurm.
ON_A_CLUSTER = ("python -m slurm.devcluster ", "export SLURM_CONF=", "sinfo ")
MINE = "--cluster mine"

READMES = [
    "README.md",
    "CONTRIBUTING.md",
    *sorted(str(p.relative_to(ROOT)) for p in ROOT.glob("[a-z]*/README.md")),
]
COMMANDS = [(name, command) for name in READMES for command in commands(name)]


def run(words: list[str], folder: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "IICL_HOME": str(folder / "home")}
    finished = subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def test_every_top_folder_has_a_readme():
    folders = {p.parent for p in ROOT.glob("*/*.py")} | {ROOT / "tables"}
    assert {"iicl", "benchmarks", "slurm", "tests", "tables"} <= {f.name for f in folders}
    for folder in folders:
        assert (folder / "README.md").is_file(), folder


@pytest.mark.parametrize(
    "command",
    [c for _, c in COMMANDS if c.startswith("python benchmarks/run.py") and MINE not in c],
)
def test_suite_commands_plan(command, tmp_path):
    (tmp_path / "PATH").mkdir()
    words = shlex.split(command)
    words[:2] = [sys.executable, str(ROOT / words[1])]
    left_out = ("--yes", "--collect", "--power", "--status", "--no-wait")
    words = [word for word in words if word not in left_out]
    if "--dry-run" not in words:
        words.append("--dry-run")
    assert "pretrain" in run(words, tmp_path)


@pytest.mark.parametrize(
    ("name", "command"),
    [(n, c) for n, c in COMMANDS if c.startswith("python benchmarks/capacity.py")],
)
def test_what_a_scale_asks_is_what_the_command_says(name, command, tmp_path):
    words = shlex.split(command)
    words[:2] = [sys.executable, str(ROOT / words[1])]
    printed = run(words, tmp_path)
    assert printed in (ROOT / name).read_text(), printed


def test_iicl_commands_run_in_order(tmp_path):
    for command in [c for name, c in COMMANDS if name == "README.md" and c.startswith("iicl ")]:
        words = shlex.split(command)
        run([sys.executable, "-c", "import sys; from iicl.cli import main; sys.exit(main())",
             *words[1:]], tmp_path)  # fmt: skip
    manifest = (tmp_path / "prepared" / "manifest.jsonl").read_bytes()
    assert (tmp_path / "shared" / "manifest.jsonl").read_bytes() == manifest
    assert (tmp_path / "clips.png").is_file()


@pytest.mark.parametrize("command", [c for _, c in COMMANDS if c.startswith(PYTEST)])
def test_commands_of_tests_select_some(command):
    words = [sys.executable, *shlex.split(command)[1:], "--collect-only", "-q"]
    assert "::" in run(words, ROOT) or ".py: " in run(words, ROOT)


def test_what_is_to_be_installed_exists():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    installs = [c for _, c in COMMANDS if c.startswith(INSTALLS)]
    assert {c.split()[0] for c in installs} == {"pip", "uv"}
    for command in installs:
        assert set(re.findall(r"\.\[(\w+)\]|--extra (\w+)", command)[0]) - {""} <= set(extras)
        for path in re.findall(r"-c (\S+)", command):
            assert (ROOT / path).is_file()


def test_the_suite_is_installed_before_its_first_command():
    root = [c for name, c in COMMANDS if name == "README.md"]
    kinds = [c.startswith(INSTALLS) for c in root if c.startswith((*INSTALLS, "python ", "iicl "))]
    assert kinds[0]


def test_sessions_exist():
    command = [sys.executable, "-m", "nox", "--list"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    sessions = set(re.findall(r"^[*-] (\S+)", listed, re.MULTILINE))
    named = {c.split()[2] for _, c in COMMANDS if c.startswith("nox -s ")}
    tables = {path.stem for path in (ROOT / "tables").glob("*.yaml")}
    assert tables | {"tests", "report"} <= sessions
    assert {"table1", "tests", "report", "lint"} <= named <= sessions


def test_no_command_is_of_a_kind_that_goes_untested():
    suite = ("python benchmarks/run.py", "python benchmarks/capacity.py")
    tested = (*suite, *ON_A_CLUSTER, *INSTALLS, PYTEST, "iicl ", "nox -s ", "pip install nox")
    assert COMMANDS
    assert [c for _, c in COMMANDS if not c.startswith(tested)] == []


def test_site_files_that_are_shown_are_site_files(tmp_path):
    shown = re.findall(r"^```yaml\n(.*?)^```", (ROOT / "slurm/README.md").read_text(), re.M | re.S)
    assert len(shown) == 2
    for text in shown:
        (tmp_path / "mine.yaml").write_text(text)
        assert read_site(tmp_path / "mine.yaml").name == "mine"


def test_every_key_of_a_site_is_explained():
    text = (ROOT / "slurm/README.md").read_text()
    explained = {key for row in re.findall(r"^\| (`.*?) \|", text, re.M) for key in row.split("`")}
    assert set(SlurmSite.model_fields) - {"name", "backend"} <= explained


def test_the_defaults_of_a_site_are_those_that_are_shown():
    text = (ROOT / "slurm/README.md").read_text()
    shown = {
        key: int(default)
        for keys, defaults in re.findall(r"^\| (`[^|]*) \|.*\| ([\d, ]+) \|$", text, re.M)
        for key, default in zip(re.findall(r"`(\w+)`", keys), defaults.split(","), strict=True)
    }
    fields = SlurmSite.model_fields
    assert shown == {k: f.default for k, f in fields.items() if isinstance(f.default, int)}


def test_links_lead_somewhere():
    for name in READMES:
        for link in re.findall(r"\]\(([^)#]+)\)", (ROOT / name).read_text()):
            assert (ROOT / name).parent.joinpath(link).exists(), f"{name}: {link}"


def test_the_list_of_claims_is_that_of_the_committed_results(tmp_path):
    command = [sys.executable, str(ROOT / "benchmarks" / "report.py"), "--readme"]
    printed = run(command, tmp_path)
    assert printed.startswith("| table")
    assert printed in (ROOT / "README.md").read_text(), printed
    assert list(tmp_path.iterdir()) == []
