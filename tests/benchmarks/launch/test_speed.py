"""The speed of this machine, measured by the first launch of a home."""

import json
from typing import get_args

import fake_stages
import pytest
from fake_checkout import Checkout

from benchmarks import run
from benchmarks.launch.request import read
from benchmarks.spec.scale import Precision
from iicl import config


def test_the_first_launch_measures_and_the_next_plan_knows(
    checkout: Checkout, capsys: pytest.CaptureFixture[str]
) -> None:
    assert checkout.run("--dry-run", cluster="local") == 0
    assert "assumed, because no rate is measured yet" in capsys.readouterr().out
    assert checkout.run(cluster="local") == 3  # there is no terminal to ask on
    assert "measuring how fast this machine computes" in capsys.readouterr().err
    path = checkout.home.speed("smoke-bf16")
    speed = json.loads(path.read_text())
    assert all(seconds > 0 for seconds in speed["seconds_per_flop"].values())
    assert checkout.run("--dry-run", cluster="local") == 0
    assert "assumed" not in capsys.readouterr().out

    path.write_text(json.dumps({**speed, "machine": {**speed["machine"], "processor": "other"}}))
    assert checkout.run("--dry-run", cluster="local") == 0
    assert "assumed, because no rate is measured yet" in capsys.readouterr().out


def test_another_precision_than_the_scales_publishes_nothing(checkout: Checkout) -> None:
    words = ["--table", "II", "--scale", "smoke", "--home", str(checkout.home.root)]

    def out(*options: str) -> str:
        arguments = run.parser().parse_args([*words, *options])
        return read(arguments, fake_stages, checkout.folder).out(complete=True).name

    assert out() == out("--precision", "bf16") == "smoke"
    assert out("--precision", "float32") == "smoke-float32"


def test_the_precisions_of_the_suite_hold_those_of_the_science() -> None:
    (option,) = (a for a in run.parser()._actions if a.dest == "precision")
    assert option.choices == get_args(Precision)
    assert set(get_args(config.Precision)) <= set(get_args(Precision))
