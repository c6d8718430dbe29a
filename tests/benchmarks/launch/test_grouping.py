"""Which runs share a job, and what an array waits for."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.launch import grouping
from benchmarks.launch.grouping import SHARED_SECONDS, JobGroup
from benchmarks.plan.corpora import UsedCorpus
from benchmarks.plan.graph import Run
from benchmarks.plan.standing import Standing
from benchmarks.spec.prices import Work

CORPUS = UsedCorpus("ucf101", None, None, {}, Path("ucf101"), None, False, {})


def run(name: str, *upstream: str, clips: int = 0, num_ranks: int = 1) -> Run:
    stage = name.split("-")[0]
    return Run(
        name,
        {"stage": stage},
        CORPUS,
        {str(i): other for i, other in enumerate(upstream)},
        "spec",
        "code",
        Work(clips, float(clips), num_ranks),
        Standing("new"),
    )


RUNS = [
    run("pretrain-a", clips=512, num_ranks=8),
    run("pretrain-b", "pretrain-a", clips=512, num_ranks=8),
    run("pretrain-untrained"),
    run("features-b", "pretrain-b", clips=320, num_ranks=10),
    run("retrieval-b", "features-b", "pretrain-b"),
    run("finetune-b", "pretrain-b", clips=100),
    run("features-u", "pretrain-untrained", clips=320),
    run("linear-b", "features-b"),
]


def names(groups: list[JobGroup]) -> list[list[str]]:
    return [[one.id for one in group.runs] for group in groups]


def share(seconds: Callable[[Run], float], runs: list[Run] = RUNS) -> list[JobGroup]:
    return grouping.job_groups(runs, grouping.pretrainings({one.id: one for one in runs}), seconds)


def test_cheap_evaluations_of_one_pretraining_share_a_job() -> None:
    groups = share(lambda one: 1.0)
    assert names(groups) == [
        ["pretrain-a"],
        ["pretrain-b"],
        ["pretrain-untrained"],
        ["features-b", "retrieval-b", "finetune-b", "linear-b"],
        ["features-u"],
    ]
    assert [group.num_tasks for group in groups] == [8, 8, 1, 1, 1]
    assert [group.name for group in groups][3:] == ["evaluation", "features"]
    assert groups[3].upstream == {"pretrain-b"}


def test_a_long_evaluation_has_its_own_job_and_all_the_tasks_it_can_use() -> None:
    long = {"features-b": SHARED_SECONDS + 1}
    groups = share(lambda one: long.get(one.id, 1.0))
    assert ["features-b"] in names(groups)
    assert {one.id: group.num_tasks for group in groups for one in group.runs}["features-b"] == 10
    (rest,) = [group for group in groups if "retrieval-b" in names([group])[0]]
    assert rest.upstream == {"features-b", "pretrain-b"}


def test_a_shared_job_is_no_longer_than_allowed() -> None:
    third = SHARED_SECONDS / 3
    groups = share(lambda one: third if "b" in one.id else 0.0)
    assert ["features-b", "retrieval-b", "finetune-b"] in names(groups)
    assert ["linear-b"] in names(groups)


def test_an_array_holds_equal_jobs_that_wait_for_the_same_and_is_split_at_the_limit() -> None:
    arrays: list[tuple[list[str], frozenset[str]]] = []

    def send(groups: list[JobGroup], after: frozenset[str]) -> list[str]:
        arrays.append(([group.runs[0].id for group in groups], after))
        return [f"{len(arrays)}_{i}" for i in range(len(groups))]

    heads = [run(f"pretrain-{i}", clips=512, num_ranks=8) for i in range(5)]
    tails = [run(f"finetune-{i}{j}", f"pretrain-{i}", clips=9) for i in (0, 1) for j in range(4)]
    other = run("finetune-x", "pretrain-elsewhere", clips=9)
    groups = [
        JobGroup((one,), 8 if one.stage == "pretrain" else 1) for one in [*heads, *tails, other]
    ]
    grouping.send_all(groups, {"pretrain-elsewhere": "77"}, 3, send)
    assert arrays == [
        (["pretrain-0", "pretrain-1", "pretrain-2"], frozenset()),
        (["pretrain-3", "pretrain-4"], frozenset()),
        (["finetune-x"], frozenset({"77"})),
        (["finetune-00", "finetune-01", "finetune-02"], frozenset({"1_0"})),
        (["finetune-03"], frozenset({"1_0"})),
        (["finetune-10", "finetune-11", "finetune-12"], frozenset({"1_1"})),
        (["finetune-13"], frozenset({"1_1"})),
    ]


@pytest.mark.parametrize("seed", range(20))
def test_every_job_waits_for_exactly_the_jobs_of_the_runs_it_needs(seed: int) -> None:
    rng = random.Random(seed)
    runs: list[Run] = []
    for i in range(30):
        before = [one.id for one in rng.sample(runs, min(len(runs), rng.randrange(3)))]
        stage = "pretrain" if not before else rng.choice(("features", "finetune", "linear"))
        runs.append(run(f"{stage}-{i}", *before, clips=3))
    seconds = {one.id: rng.choice((1.0, SHARED_SECONDS + 1)) for one in runs}
    job_of: dict[str, str] = {}
    waits: dict[str, frozenset[str]] = {}

    def send(groups: list[JobGroup], after: frozenset[str]) -> list[str]:
        ids = [f"{len(waits)}-{i}" for i in range(len(groups))]
        for group, job in zip(groups, ids, strict=True):
            waits[job] = after
            job_of.update({one.id: job for one in group.runs})
        return ids

    grouping.send_all(share(lambda one: seconds[one.id], runs), {}, rng.randrange(1, 5), send)
    assert set(job_of) == {one.id for one in runs}
    for job, after in waits.items():
        ours = [one for one in runs if job_of[one.id] == job]
        needed = {job_of[i] for one in ours for i in one.upstream.values()} - {job}
        assert after == needed
