"""Whole commands on the cluster: tables equal those of one process, corpora too."""

import subprocess
import sys
from pathlib import Path

from jobs import ROOT

from benchmarks import run, stages
from benchmarks.launch import corpus_jobs, request
from benchmarks.store.home import Home
from iicl.data.manifest import MANIFEST_NAME
from iicl.data.synthetic.write import generate
from slurm.devcluster.cluster import DevCluster

COMPLETE = (0, 1)


def start(cluster: str, home: Path, *arguments: str) -> "subprocess.Popen[str]":
    words = ["--table", "V", "--scale", "smoke", "--seeds", "0", "--cluster", cluster, "--yes"]
    words += ["--home", str(home), "--out", f"{home}.tables", *arguments]
    command = [sys.executable, str(ROOT / "benchmarks" / "run.py"), *words]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)


def test_two_launches_at_once_make_the_tables_of_one_process(
    cluster: DevCluster, tmp_path: Path
) -> None:
    both = [start("devcluster", tmp_path / "cluster") for _ in range(2)]
    said = [process.communicate()[1] for process in both]
    assert all(process.returncode in COMPLETE for process in both), said
    alone = start("inline", tmp_path / "inline")
    assert alone.communicate()[1]
    assert alone.returncode == both[0].returncode

    home = Home(tmp_path / "cluster")
    attempts = {run_id: home.run(run_id).attempts() for run_id in home.run_ids()}
    assert len(attempts) == len(Home(tmp_path / "inline").run_ids())
    assert all(len(made) == 1 for made in attempts.values())
    on_two_nodes = [i for i, made in attempts.items() if made[0]["num_nodes"] == 2]
    assert len(on_two_nodes) >= 2
    for name in ("table5.md", "table5.csv"):
        made, expected = (tmp_path / f"{place}.tables" / name for place in ("cluster", "inline"))
        assert made.read_bytes() == expected.read_bytes(), name


def test_a_real_copy_is_prepared_by_an_array_over_its_shards(
    cluster: DevCluster, tmp_path: Path
) -> None:
    generate("ucf101", tmp_path / "copy", num_items=96, seed=0, num_workers=2)

    def launch(site: str) -> request.Request:
        words = ["--table", "IV", "--scale", "smoke", "--cluster", site]
        words += ["--home", str(tmp_path / site), "--data", f"ucf101={tmp_path / 'copy'}"]
        return request.read(run.parser().parse_args(words), stages, ROOT)

    ours = launch("devcluster")
    with ours.home.launch():
        plan = corpus_jobs.prepare(ours, ours.site, ours.plan(), waits=True)
    assert plan is not None
    made = {
        i: ours.home.preparations().run(i).attempts() for i in ours.home.preparations().run_ids()
    }
    assert len(made) == 3  # two shards, and the manifest
    assert len({attempts[0]["job"].split("_")[0] for attempts in made.values()}) == 2
    (corpus,) = plan.used_corpora()
    expected = tmp_path / "expected"
    stages.prepare(
        "ucf101", tmp_path / "copy", None, corpus.preparation, expected, 2, lambda *_: None
    )
    assert (corpus.path / MANIFEST_NAME).read_bytes() == (expected / MANIFEST_NAME).read_bytes()
    again = launch("devcluster")
    assert corpus_jobs.prepare(again, again.site, again.plan(), waits=True) is not None
    assert len(ours.home.preparations().run_ids()) == 3
