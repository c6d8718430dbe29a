"""What Slurm is given and asked, with its commands replaced by scripts."""

import itertools
import json
import os
import re
from pathlib import Path

import pytest
from fake_slurm import FakeSlurm

from slurm import job_queue, scheduler
from slurm.job_queue import Queue
from slurm.scheduler import Array, shape
from slurm.site import ALWAYS_SENT, OWN_KEY, SlurmSite

FULL = SlurmSite(
    name="full",
    backend="slurm",
    partition="gpu",
    account="lab",
    qos="long",
    constraint="a100",
    nodes=2,
    tasks_per_node=4,
    gpus_per_node=4,
    cpus_per_task=8,
    memory_gib_per_task=24.5,
    minutes=90,
    signal_seconds=100,
    parallelism=3,
    setup=("module load cuda",),
    environment={"NCCL_DEBUG": "WARN", "NOTE": "two words"},
)
SMALL = SlurmSite(name="small", backend="slurm", minutes=5, signal_seconds=30, requeue=0)
GOLDEN = Path(__file__).parent / "golden"


def array(count: int, num_tasks: int = 1, *after: str) -> Array:
    calls = [{"command": "true"} for _ in range(count)]
    return Array("iicl-pretrain", "os:system", calls, num_tasks, after)


@pytest.mark.parametrize(
    ("name", "site", "jobs"),
    [("full.sh", FULL, array(5, 8, "17_2", "18")), ("small.sh", SMALL, array(1))],
)
def test_the_script_is_the_recorded_one(name: str, site: SlurmSite, jobs: Array) -> None:
    text = scheduler.script(jobs, site, Path("/home/jobs"), Path("/home/code"))
    assert text.replace(f" {scheduler.PYTHON} ", " PYTHON ") == (GOLDEN / name).read_text()


def test_what_is_shown_is_what_is_submitted(fake_slurm: FakeSlurm, tmp_path: Path) -> None:
    jobs = array(3, 8, "7")
    ids = scheduler.submit(jobs, FULL, tmp_path / "jobs", tmp_path / "code")
    assert ids == ["1_0", "1_1", "1_2"]
    shown = scheduler.script(jobs, FULL, tmp_path / "jobs", tmp_path / "code")
    assert fake_slurm.script(1).split() == shown.split()
    assert f" {scheduler.PYTHON} -u -m submitit" in shown
    assert fake_slurm.calls() == ["sbatch"]


def test_what_the_shell_says_of_other_jobs_does_not_reach_sbatch(
    fake_slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    others = {
        "SBATCH_TIMELIMIT": "99",
        "SLURM_ARRAY_JOB_ID": "1",
        "SQUEUE_STATES": "R",
        "RANK": "0",
    }
    for name, value in {**others, "SLURM_CONF": "conf"}.items():
        monkeypatch.setenv(name, value)
    scheduler.submit(array(1), SMALL, tmp_path / "jobs", tmp_path / "code")
    seen = json.loads((fake_slurm.folder / "environment").read_text())
    assert not others.keys() & seen.keys()
    assert seen["SLURM_CONF"] == "conf"
    assert os.environ["SBATCH_TIMELIMIT"] == "99"


@pytest.mark.parametrize(
    ("nodes", "per_node", "usable", "expected"),
    [
        (2, 4, 100, (2, 4)),
        (2, 4, 8, (2, 4)),
        (2, 4, 7, (2, 3)),
        (2, 4, 5, (2, 2)),
        (2, 4, 4, (1, 4)),
        (2, 4, 1, (1, 1)),
        (2, 1, 2, (2, 1)),
    ],
)
def test_a_job_has_no_more_tasks_than_it_can_use(
    nodes: int, per_node: int, usable: int, expected: tuple[int, int]
) -> None:
    site = SMALL.model_copy(update={"nodes": nodes, "tasks_per_node": per_node})
    assert shape(site, usable) == expected
    assert expected[0] * expected[1] <= min(usable, nodes * per_node)


def test_refusals_are_one_line_in_the_words_of_sbatch(
    fake_slurm: FakeSlurm, tmp_path: Path
) -> None:
    (fake_slurm.folder / "refuse").write_text("invalid partition specified: gpu")
    with pytest.raises(
        OSError, match=r"sbatch refused: .*invalid partition specified: gpu"
    ) as caught:
        scheduler.submit(array(2), FULL, tmp_path / "jobs", tmp_path)
    assert "\n" not in str(caught.value)


def test_a_host_without_slurm_is_told_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OSError, match="this host has no sbatch, squeue, scontrol, srun"):
        scheduler.submit(array(1), SMALL, tmp_path / "jobs", tmp_path)
    assert Queue("me").state("anywhere", "me", "1") == ("UNKNOWN", "a job of cluster anywhere")


def test_the_queue_is_asked_once_for_many_jobs_and_anew_before_one_is_given_up(
    fake_slurm: FakeSlurm, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = itertools.count(100.0, 0.001)
    offset = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: next(clock) + offset[0])
    fake_slurm.queue(*(f"1_{i}|PENDING|Dependency" for i in range(500)), "2|RUNNING|None")
    queue = Queue("me")
    assert all(queue.state("fake", "me", f"1_{i}") for i in range(500))
    assert queue.state("fake", "me", "2") == ("RUNNING", "None")
    assert "--all" in (fake_slurm.folder / "asked").read_text()  # hidden partitions too
    assert fake_slurm.calls() == ["scontrol", "squeue"]
    fake_slurm.queue("2|RUNNING|None", "3|PENDING|Priority")
    offset[0] += 2
    assert queue.state("fake", "me", "3") == ("PENDING", "Priority")  # submitted after the answer
    assert queue.state("fake", "me", "1_0") is None
    assert fake_slurm.calls().count("squeue") == 2
    offset[0] += job_queue.PATIENCE_SECONDS + 1
    fake_slurm.queue()
    assert queue.state("fake", "me", "2") is None


def test_a_scheduler_that_does_not_answer_says_nothing_about_a_job(fake_slurm: FakeSlurm) -> None:
    (fake_slurm.folder / "silent").touch()
    with pytest.raises(OSError, match=r"squeue does not answer: .*no answer"):
        Queue("me").state("fake", "me", "1")


def test_a_job_of_another_cluster_is_not_looked_for_here(fake_slurm: FakeSlurm) -> None:
    assert Queue("me").state("elsewhere", "me", "1") == ("UNKNOWN", "a job of cluster elsewhere")
    assert "squeue" not in fake_slurm.calls()


def test_who_only_looks_takes_jobs_for_alive_while_there_is_no_answer(
    fake_slurm: FakeSlurm, capsys: pytest.CaptureFixture[str]
) -> None:
    (fake_slurm.folder / "silent").touch()
    queue = Queue("me", tolerant=True)
    for job in ("1", "2"):
        assert queue.state("fake", "me", job) == ("UNKNOWN", "Slurm does not answer")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("submitted runs are taken to be running")
    assert fake_slurm.calls().count("squeue") == 1


@pytest.mark.parametrize(("user", "private"), [("root", "jobs,usage"), ("nobody-at-all", "none")])
def test_a_job_that_slurm_would_not_show_is_not_taken_for_gone(
    user: str, private: str, fake_slurm: FakeSlurm
) -> None:
    with (fake_slurm.folder / "config").open("a") as file:
        file.write(f"PrivateData             = {private}\n")
    hidden = ("UNKNOWN", f"a job of {user}, which is hidden from me")
    assert Queue("me").state("fake", user, "1") == hidden
    assert Queue("me").state("fake", "me", "1") is None


def test_a_site_may_name_a_wckey_and_any_other_option() -> None:
    site = SMALL.model_copy(
        update={"wckey": "mine", "sbatch": {"reservation": "spring term", "exclusive": True}}
    )
    text = scheduler.script(array(1), site, Path("/home/jobs"), Path("/home/code"))
    for line in ("--wckey=mine", "--reservation='spring term'", "--exclusive"):
        assert f"#SBATCH {line}\n" in text
    text = scheduler.script(array(1), SMALL, Path("/home/jobs"), Path("/home/code"))
    assert "wckey" not in text


@pytest.mark.parametrize("count", [1, 3])
def test_a_site_may_withhold_every_option_that_is_sent_otherwise(
    count: int, fake_slurm: FakeSlurm, tmp_path: Path
) -> None:
    options = [*OWN_KEY, *ALWAYS_SENT]
    site = FULL.model_copy(update={"wckey": "mine", "sbatch": dict.fromkeys(options, False)})
    jobs = array(count, 8)
    ids = scheduler.submit(jobs, site, tmp_path / "jobs", tmp_path / "code")
    assert len(ids) == count
    sent = re.findall(r"^#SBATCH --([a-z-]+)", fake_slurm.script(1), re.MULTILINE)
    assert sent == ["array"] * (count > 1)
    shown = scheduler.script(jobs, site, tmp_path / "jobs", tmp_path / "code")
    assert re.findall(r"^#SBATCH --([a-z-]+)", shown, re.MULTILINE) == sent
    # The next site is asked for nothing less.
    scheduler.submit(jobs, FULL, tmp_path / "jobs", tmp_path / "code")
    assert set(options) - {"wckey", "no-requeue"} <= set(
        re.findall(r"^#SBATCH --([a-z-]+)", fake_slurm.script(2), re.MULTILINE)
    )


def test_a_site_may_say_otherwise_what_every_script_has() -> None:
    site = SMALL.model_copy(update={"sbatch": {"open-mode": "truncate", "job-name": "x"}})
    text = scheduler.script(array(1), site, Path("/home/jobs"), Path("/home/code"))
    for line in ("--open-mode=truncate", "--job-name=x"):
        assert text.count(line.partition("=")[0]) == 1
        assert f"#SBATCH {line}\n" in text
