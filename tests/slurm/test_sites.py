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


LEGAL = ", ".join(key for key in SlurmSite.model_fields if key != "name")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("minutes: 5\npartitoin: gpu", f"unknown key 'partitoin'; known: {LEGAL}"),
        ("minutes: 5\nminutes: 6", "'minutes' is given twice"),
        ("minutes: soon", "minutes is 'soon': Input should be a valid integer"),
        ("minutes: 0", "minutes is 0: Input should be greater than or equal to 1"),
        ("partition: gpu", "minutes is missing"),
        (
            "minutes: 5\nenvironment: {A B: c}",
            "environment is {'A B': 'c'}: 'A B' is no name of a variable",
        ),
        (
            "minutes: 5\nenvironment: {PYTHONPATH: c}",
            "environment is {'PYTHONPATH': 'c'}: PYTHONPATH is set to the copy of",
        ),
        (
            "minutes: 5\ngpus_per_node: 4\ntasks_per_node: 3",
            "gpus_per_node 4 cannot be shared evenly by tasks_per_node 3",
        ),
        (
            "minutes: 1\nsignal_seconds: 60",
            "signal_seconds 60 is no less than minutes 1",
        ),
        ("minutes: 5\nenvironment: {A: 1}", "environment.A is 1: Input should be a valid string"),
        ("minutes: 12:00:00", "line 2: 12:00:00 is no plain number, such as 720"),
        ("minutes: 010", "line 2: 010 is no plain number"),
        ("minutes: 1_000", "line 2: 1_000 is no plain number"),
        ("minutes: 5\nsbatch: {time: 5}", "sbatch is {'time': 5}: 'time' is decided by the suite"),
        ("minutes: 5\nsbatch: {A b: 5}", "sbatch is {'A b': 5}: 'A b' is no long name"),
        (
            'minutes: 5\nsbatch: {comment: "a\\nb"}',
            "sbatch is {'comment': 'a\\nb'}: 'comment' holds a character",
        ),
        ("minutes: [", "while parsing a flow"),
        ("- minutes", "keys and values are expected"),
    ],
)
def test_a_mistake_is_one_line_that_names_file_value_and_what_is_legal(
    text: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "here.yaml"
    path.write_text(text if text.startswith("-") else f"backend: slurm\n{text}\n")
    with pytest.raises(ValueError, match=re.escape(f"here.yaml: {message}")) as caught:
        read_site(path)
    assert "\n" not in str(caught.value)


def test_a_backend_that_does_not_exist_names_those_that_do(tmp_path: Path) -> None:
    path = tmp_path / "here.yaml"
    path.write_text("backend: pbs\n")
    with pytest.raises(ValueError, match="backend is 'pbs'; known: inline, local, slurm"):
        read_site(path)
    path.write_text("backend: local\nminutes: 5\n")
    with pytest.raises(ValueError, match="unknown key 'minutes'; known: environment, backend, pro"):
        read_site(path)
