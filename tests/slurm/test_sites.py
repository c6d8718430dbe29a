import re
from pathlib import Path

import pytest

from slurm.site import ProcessSite, SlurmSite, load_site, read_site, sites


@pytest.mark.parametrize("name", sites())
def test_every_site_file_can_be_loaded(name: str) -> None:
    site = load_site(name)
    assert site.name == name
    if isinstance(site, ProcessSite):
        assert site.num_processes() >= 1


def test_an_unknown_site_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match="unknown site 'moon'; known: devcluster, inline, local"):
        load_site("moon")


LEGAL = (
    "known, with defaults: environment {}, backend (must be given), partition null, account null,"
    " qos null, constraint null, nodes 1, tasks_per_node 1, gpus_per_node 0, cpus_per_task 1,"
    " memory_gib_per_task null, minutes (must be given), signal_seconds 120, max_array 1000,"
    " parallelism 256, requeue 5, wckey null, sbatch {}, setup []"
)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("minutes: 5\npartitoin: gpu", 3, f"unknown key 'partitoin'; {LEGAL}"),
        ("minutes: 5\nname: gpu", 3, f"unknown key 'name'; {LEGAL}"),
        ("minutes: 5\nminutes: 6", 3, "duplicate key 'minutes', first on line 2"),
        ("minutes: soon", 2, "minutes is 'soon': Input should be a valid integer"),
        ("minutes: 0", 2, "minutes is 0: Input should be greater than or equal to 1"),
        ("minutes: true", 2, "minutes is True: Input should be a valid integer"),
        ("minutes: 12:00:00", 2, "minutes is '12:00:00': Input should be a valid integer"),
        ("minutes: 010", 2, "minutes is '010': Input should be a valid integer"),
        ("minutes: 1_000", 2, "minutes is '1_000': Input should be a valid integer"),
        ("minutes: 1e3", 2, "minutes is 1000.0: Input should be a valid integer"),
        ("partition: gpu", 1, "minutes is missing"),
        (
            "minutes: 5\npartition: 7",
            3,
            "partition is 7: Input should be a valid string; put it",
        ),
        ("minutes: 5\npartition: ''", 3, "partition is '': String should have at least 1"),
        ('minutes: 5\nqos: "a\\nb"', 3, "qos is 'a\\nb': a character in it does not print"),
        ("minutes: 5\nmemory_gib_per_task: '60'", 3, "memory_gib_per_task is '60': Input should"),
        ("minutes: 5\nsetup: module load cuda", 3, "setup is 'module load cuda': Input should"),
        ("minutes: 5\nenvironment:\n  A B: c", 4, "key 'environment.A B': no name of a variable"),
        ("minutes: 5\nenvironment:\n  PYTHONPATH: c", 4, "PYTHONPATH is set to the copy of"),
        ("minutes: 5\nenvironment:\n  A: 1", 4, "environment.A is 1: Input should be a valid str"),
        ('minutes: 5\nenvironment:\n  A: "\\0"', 4, "environment.A is '\\x00': no variable can"),
        ("minutes: 5\ngpus_per_node: 4\ntasks_per_node: 3", 1, "gpus_per_node 4 cannot be shared"),
        ("minutes: 1\nsignal_seconds: 60", 1, "signal_seconds 60 is no less than minutes 1"),
        ("minutes: 5\nsbatch:\n  time: 5", 4, "sbatch.time is 5: it is said by the site's key min"),
        ("minutes: 5\nsbatch:\n  array: 5", 4, "key 'sbatch.array': the suite needs this option"),
        ("minutes: 5\nsbatch:\n  array: false", 4, "key 'sbatch.array': the suite needs this opt"),
        (
            "minutes: 5\nsbatch:\n  hold: false",
            4,
            "sbatch.hold is False: it is not sent anyway",
        ),
        ("minutes: 5\nsbatch:\n  A b: 5", 4, "key 'sbatch.A b': no long name of an option of sba"),
        ("minutes: 5\nsbatch:\n  nice: 1.5", 4, "sbatch.nice is 1.5: legal are text, a whole num"),
        ("minutes: 5\nsbatch:\n  nice:", 4, "sbatch.nice is None: legal are text, a whole number"),
        ('minutes: 5\nsbatch:\n  nice: "a\\nb"', 4, "sbatch.nice is 'a\\nb': a character in it"),
        ("minutes: 5\nsbatch: [hold]", 3, "sbatch is ['hold']: Input should be keys with values"),
        ("minutes: 5\nsetup: module load", 3, "setup is 'module load': Input should be a list"),
    ],
)
def test_a_mistake_is_one_line_that_names_file_line_value_and_what_is_legal(
    text: str, line: int, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "here.yaml"
    path.write_text(f"backend: slurm\n{text}\n")
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        read_site(path)
    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("backend: pbs\n", 1, "backend is 'pbs'; known: inline, local, slurm"),
        ("# a site\nminutes: 5\n", 1, "backend is missing; known: inline, local, slurm"),
        ("backend: [slurm]\n", 1, "backend is ['slurm']; known: inline"),
        (
            "backend: local\nminutes: 5\n",
            2,
            "unknown key 'minutes'; known, with defaults: environment {}, backend (must be given),"
            " processes null",
        ),
        ("", 1, "a mapping is expected"),
    ],
)
def test_a_backend_that_does_not_exist_names_those_that_do(
    text: str, line: int, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "here.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=re.escape(f"{path}:{line}: {message}")):
        read_site(path)


def test_options_of_sbatch_are_read_as_they_look(tmp_path: Path) -> None:
    path = tmp_path / "here.yaml"
    path.write_text(
        "backend: slurm\nminutes: 5\n"
        "sbatch: {begin: 010, reservation: on, nice: 5, exclusive: true, open-mode: false}\n"
    )
    site = read_site(path)
    assert isinstance(site, SlurmSite)
    assert site.sbatch == {
        "begin": "010",
        "reservation": "on",
        "nice": 5,
        "exclusive": True,
        "open-mode": False,
    }
