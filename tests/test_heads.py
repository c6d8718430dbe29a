"""The heads of table and scale files: their commands run, and their costs are those of the plan."""

import re
import shlex
from pathlib import Path

import pytest

from benchmarks import run

ROOT = Path(__file__).parents[1]
TABLES = sorted((ROOT / "tables").glob("*.yaml"))
SCALES = sorted((ROOT / "benchmarks" / "scales").glob("*.yaml"))
COST = re.compile(
    r"^# Cost (?:at scale (?P<scale>\S+)|of the paper's six tables): "
    r"(?P<runs>\d+) runs, (?P<hours>[\d,.]+) (?P<unit>CPU core|GPU) hours$",
    re.MULTILINE,
)
HOURS_APART = 0.05  # as a fraction; a head need not follow each small change of the arithmetic
ROUNDED = 0.01  # hours; the plan shows two decimals


def head(path: Path) -> str:
    """The comment lines on top of a file."""
    return path.read_text().partition("\n\n")[0]


def command(path: Path) -> list[str]:
    """The arguments of the one command in a head."""
    (line,) = re.findall(r"^# Command: python benchmarks/run.py (.*)$", head(path), re.MULTILINE)
    return shlex.split(line)


def planned(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, float, str]:
    """Runs, hours and their unit in the plan of a command for a home without results."""
    Path("PATH").mkdir()
    assert run.main([*arguments, "--dry-run", "--home", "home"]) == 0
    lines = capsys.readouterr().out.splitlines()
    (total,) = [line for line in lines if line.startswith("│ all ")]
    _, num_runs, *_, hours, _ = [cell.strip() for cell in total.strip("│").split("│")]
    (unit,) = re.findall(r"(CPU core|GPU) hours to go", "\n".join(lines))
    return int(num_runs), float(hours.replace(",", "")), unit


def check(cost: re.Match[str], plan: tuple[int, float, str]) -> None:
    num_runs, hours, unit = plan
    assert (int(cost["runs"]), cost["unit"]) == (num_runs, unit)
    stated = float(cost["hours"].replace(",", ""))
    assert stated == pytest.approx(hours, rel=HOURS_APART, abs=ROUNDED)


@pytest.mark.parametrize("scale", ["desk", "paper"])
@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_the_head_of_a_table_says_its_cost_and_command(
    path: Path,
    scale: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    costs = {cost["scale"]: cost for cost in COST.finditer(head(path))}
    assert set(costs) == {"desk", "paper"}
    arguments = [scale if word == "SCALE" else word for word in command(path)]
    assert scale in arguments
    check(costs[scale], planned(arguments, capsys))


@pytest.mark.parametrize("path", SCALES, ids=lambda path: path.stem)
def test_the_head_of_a_scale_says_its_cost_and_command(
    path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = command(path)
    assert arguments == ["--table", "all", "--scale", path.stem]
    (cost,) = COST.finditer(head(path))
    check(cost, planned(arguments, capsys))
