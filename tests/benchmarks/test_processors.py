"""Every record names its processor, and runs of unlike ones are not mixed in silence."""

import pandas as pd
import pytest
from fake_checkout import Checkout

from benchmarks.store import provenance


@pytest.fixture
def cpuinfo(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    facts = {"model name": "A processor", "cpu family": "26", "model": "2", "flags": "fpu avx2"}
    monkeypatch.setattr(provenance, "_first_core", lambda: facts)
    return facts


def test_models_of_one_name_are_told_apart(cpuinfo: dict[str, str]) -> None:
    assert provenance.processor() == "A processor (cpu family 26, model 2)"
    cpuinfo["model"] = "17"
    assert provenance.processor() == "A processor (cpu family 26, model 17)"


@pytest.mark.parametrize(
    ("key", "flags", "known"),
    [
        ("flags", "fpu avx avx2 amx_tile avx512f avx512_bf16", "avx2 avx512f avx512_bf16 amx_tile"),
        ("flags", "fpu sse2", "none"),
        ("Features", "fp asimd sve bf16", "asimd sve bf16"),
        ("other", "avx2", "unknown"),
    ],
)
def test_the_instruction_set_holds_what_selects_kernels(
    cpuinfo: dict[str, str], key: str, flags: str, known: str
) -> None:
    del cpuinfo["flags"]
    cpuinfo[key] = flags
    assert provenance.instruction_set() == known


def test_a_value_names_the_processors_of_all_runs_below_it(
    checkout: Checkout, cpuinfo: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert checkout.run("--yes", "--seeds", "0") == 0
    capsys.readouterr()
    assert checkout.run("--status", "--seeds", "0") == 0
    assert "unlike processors" not in capsys.readouterr().out
    checkout.scale(execution='{"fail": ["features"]}')
    assert checkout.run("--yes", "--seeds", "0", "1") == 4
    cpuinfo["model"] = "17"
    checkout.scale()
    assert checkout.run("--yes", "--seeds", "0", "1") in (0, 1)
    frame = pd.read_csv(checkout.folder / "out" / "table2.csv")
    old, new = (
        f"A processor (cpu family 26, model {model}): avx2, torch AVX2, oneDNN 3.0; 1 thread"
        for model in ("2", "17")
    )
    # The pretrainings of seed 1 were made before the rest of it.
    assert set(zip(frame["seed"], frame["processor"], strict=True)) == {
        (0, old),
        (1, f"{old} and {new}"),
    }
    capsys.readouterr()
    for mode in ("--status", "--dry-run"):
        assert checkout.run(mode, "--seeds", "0", "1") == 0
        (line,) = [x for x in capsys.readouterr().out.splitlines() if "unlike" in x]
        # The features of seed 1 failed on the old processor before they were made on the new one.
        assert line == (
            f"the finished runs were computed on unlike processors: 10 on {old};"
            f" 2 on {old} and {new}; 2 on {new}"
        )


def test_an_older_record_says_that_the_instruction_set_is_unknown() -> None:
    attempt = {"processor": "A", "threads": 1, "gpu": "B"}
    (words,) = provenance.processors_of([attempt, attempt])  # type: ignore[list-item]
    assert words == "A: instruction set unknown; 1 thread; GPU B"
