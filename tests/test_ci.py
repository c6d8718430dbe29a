"""Both ways in which the checks run, and the sessions of nox, name the same sessions."""

import re
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
SCRIPT = (ROOT / ".ci" / "run").read_text()
WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "checks.yml").read_text())
JOB = WORKFLOW["jobs"]["check"]
RUNS = [step["run"] for step in JOB["steps"] if "run" in step]


def test_the_workflow_runs_what_the_script_runs() -> None:
    (words,) = re.findall(r"^python3 -m nox -s (.*)$", SCRIPT, re.MULTILINE)
    assert JOB["strategy"]["matrix"]["session"] == words.split()
    assert RUNS[-1] == "python3 -m nox -s ${{ matrix.session }}"
    assert {"lint", "tests", "throughput"} <= set(words.split())


def test_both_install_the_same() -> None:
    (pip,) = re.findall(r"^python3 -m pip .*$", SCRIPT, re.MULTILINE)
    assert RUNS[0] == pip
    packages = re.search(r"--no-install-recommends \\\n\s*(.*?) >", SCRIPT)
    assert packages is not None
    (apt,) = [run for run in RUNS if "apt-get" in run]
    assert packages[1] in apt


def test_the_workflow_has_the_history_that_the_baseline_needs() -> None:
    assert WORKFLOW[True] == ["push", "pull_request"]  # YAML 1.1 reads `on` as true
    assert JOB["steps"][0]["with"]["fetch-depth"] == 0
