"""What slurm/README.md says of adding a site, done as it is written there."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from jobs import ROOT

FENCED = re.compile(r"^```(sh|yaml)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def section() -> str:
    text = (ROOT / "slurm" / "README.md").read_text()
    return text.split("## A site of your own")[1].split("## What is submitted")[0]


def test_a_site_is_added_as_the_readme_says(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    for room in ("iicl", "benchmarks", "slurm", "tables"):
        shutil.copytree(ROOT / room, checkout / room)
    shell = [text for kind, text in FENCED.findall(section()) if kind == "sh"]
    sites = [text for kind, text in FENCED.findall(section()) if kind == "yaml"]
    begin, table, end = shell
    site = f"cat > slurm/sites/mine.yaml <<'END'\n{sites[0]}END\n"
    lines = "".join(f"{line}\necho exit code $?\n" for line in table.splitlines())
    script = f"trap '{end.strip()}' EXIT\n{begin}{site}{lines}"
    environment = {name: value for name, value in os.environ.items() if name != "SLURM_CONF"}
    python = Path(sys.executable).parent
    environment |= {"PATH": f"{python}:{os.environ['PATH']}", "IICL_HOME": str(tmp_path / "home")}
    done = subprocess.run(
        ["bash", "-c", script], cwd=checkout, env=environment, capture_output=True, text=True
    )
    codes = re.findall(r"^exit code (\d)$", done.stdout, re.MULTILINE)
    # 1: a complete table in which something is not as the paper says.
    assert codes[0] + codes[2] == "00", done.stderr
    assert codes[1] in ("0", "1"), done.stderr
    assert "dev* infinite 2" in done.stdout
    assert "#SBATCH --partition=dev\n" in done.stdout
    assert re.search(r"^(\d+) runs: \1 done$", done.stdout, re.MULTILINE), done.stderr
    assert not Path("/tmp/devcluster").exists()
