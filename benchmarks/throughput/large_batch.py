"""What a step in chunks costs: time and peak memory over chunk size and memory for graphs.

    python benchmarks/throughput/large_batch.py --quick    # less than a minute
    python benchmarks/throughput/large_batch.py            # some five minutes

Three measurements of a training step of IICL without its optimiser, each in fresh processes:

- curve: each chunk size with each memory for graphs, in turn, for several rounds;
- exactness: the step beside a plain one, which keeps all graphs and adds up float32 gradients;
- exchange: two ranks of this machine that add up gradients of so many parameters.

Times are processor times of one thread, on a CUDA device wall times; of the rounds of the curve the
least counts. Writes ``large_batch.json``
and ``large_batch.png`` to ``--out``.
"""

import argparse
import io
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from tabulate import tabulate

ROOT = Path(__file__).resolve().parents[2]
if __name__ == "__main__":
    sys.path[0] = str(ROOT)

JOBS = Path(__file__).with_name("large_batch_jobs.py")
MIB = 2**20
NUM_RANKS = 2


def main() -> None:
    """Measure as the command line asks, write the files and print the figures."""
    from slurm.command_line import survive_closed_pipes

    survive_closed_pipes()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="a smaller batch, one round")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    arguments = parser.parse_args()
    network = {name: getattr(arguments, name) for name in ("device", "width", "frames", "size")}
    results = measure_all(network, quick=arguments.quick)
    arguments.out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(results, indent=1)
    (arguments.out / "large_batch.json").write_text(f"{text}\n")
    (arguments.out / "large_batch.png").write_bytes(draw(results))
    print("\n".join(lines(results)))


def measure_all(network: dict[str, Any], *, quick: bool) -> dict[str, Any]:
    """All three measurements, with what they were made on."""
    from benchmarks.store import provenance

    batch, rounds = (32, 1) if quick else (128, 2)
    chunks = (4, 16) if quick else (8, 16, 32)
    parameters = 4_400_000 if quick else 44_000_000  # of the paper's encoders
    whole = in_process(kind="step", batch=batch, chunk=batch, memory=0, **network)
    quarters = (0, 5) if quick else (0, 1, 2, 5)
    memories = [round(whole["graph_bytes"] * k / 4) for k in quarters]
    cases = [(chunk, memory) for chunk in chunks for memory in memories]
    steps: list[dict[str, Any]] = [{"chunk": batch, "memory": 0, "runs": [whole]}]
    steps += [{"chunk": chunk, "memory": memory, "runs": []} for chunk, memory in cases]
    for number in range(rounds):
        for step in steps[number == 0 :]:
            case = {"chunk": step["chunk"], "memory": step["memory"]}
            step["runs"].append(in_process(kind="step", batch=batch, **case, **network))
    for step in steps:
        runs = step.pop("runs")
        step |= {key: min(run[key] for run in runs) for key in runs[0]}
    return {
        "made_by": provenance.describe(1),
        "network": {**network, "batch": batch, "rounds": rounds},
        "steps": steps,
        "exactness": in_process(
            kind="exactness", batch=batch, chunk=chunks[0], rounds=1 + 4 * rounds, **network
        ),
        "exchange": exchange(parameters, rounds=5),
    }


def in_process(**job: Any) -> dict[str, Any]:
    """What a job returns in a fresh process with one thread."""
    return _answer(_start(job))


def exchange(parameters: int, rounds: int) -> dict[str, Any]:
    """The slowest rank's seconds for adding up a gradient, in float64 and in float32."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    common = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    common |= {"WORLD_SIZE": NUM_RANKS, "LOCAL_WORLD_SIZE": NUM_RANKS}
    job = {"kind": "exchange", "parameters": parameters, "rounds": rounds}
    ranks = [_start(job, {**common, "RANK": k, "LOCAL_RANK": k}) for k in range(NUM_RANKS)]
    answers = [_answer(rank) for rank in ranks]
    return {
        "parameters": parameters,
        **{name: max(answer[name] for answer in answers) for name in answers[0]},
    }


def _start(job: dict[str, Any], variables: dict[str, Any] | None = None) -> subprocess.Popen[str]:
    # Linux lets a process begin with the peak memory of the one that starts it: no torch here.
    assert "torch" not in sys.modules
    threads = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    own = {name: str(value) for name, value in (variables or {}).items()}
    command = [sys.executable, str(JOBS), json.dumps(job)]
    environment = {**os.environ, **threads, **own}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def _answer(process: subprocess.Popen[str]) -> dict[str, Any]:
    text, _ = process.communicate()
    if process.returncode:
        sys.exit(f"error: a measurement ended with exit code {process.returncode}")
    answer: dict[str, Any] = json.loads(text.splitlines()[-1])
    return answer


def lines(results: dict[str, Any]) -> list[str]:
    """The figures as Markdown."""
    network, exactness, sums = results["network"], results["exactness"], results["exchange"]
    machine, batch = results["made_by"], network["batch"]
    whole = results["steps"][0]["seconds"]
    table = [
        [
            step["chunk"],
            f"{step['memory'] / MIB:.0f} MiB",
            f"{step['seconds'] / whole:.2f}",
            f"{step['peak_bytes'] / MIB:.0f} MiB",
        ]
        for step in results["steps"]
    ]
    headers = ["chunk", "memory for graphs", "time / whole batch", "peak memory"]
    ratios = ", ".join(
        f"{name} {ratio:.2f}" for name, ratio in exactness["ratios"].items() if name != "plain"
    )
    of_exact, of_rounded = (1e3 * sums[name] for name in ("float64", "float32"))
    return [
        f"- Batch of {batch} clips of {network['frames']} x {network['size']} x {network['size']},"
        f" encoders of width {network['width']}; {machine['processor']}, one thread.",
        f"- Time over that of a plain step in chunks of {exactness['chunk']}, which keeps all"
        f" graphs: {ratios} (medians of {exactness['pairs']} pairs).",
        f"- Adding up a gradient of {sums['parameters'] / 1e6:.1f} million parameters over"
        f" {NUM_RANKS} ranks of this machine: {of_exact:.0f} ms in float64, {of_rounded:.0f} ms in"
        " float32.",
        "",
        *tabulate(table, headers, tablefmt="pipe", disable_numparse=True).splitlines(),
    ]


def draw(results: dict[str, Any]) -> bytes:
    """Time and peak memory over the memory for graphs, a line for each chunk size, as a PNG."""
    from benchmarks.render.plot import DPI, LEVELS, OURS, PAPER, STYLE

    batch, steps = results["network"]["batch"], results["steps"]
    whole, rest = steps[0], steps[1:]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 3.2), layout="constrained")
        time_axes, memory_axes = figure.subplots(1, 2)
        for chunk, colour in zip(
            dict.fromkeys(step["chunk"] for step in rest), (OURS, *LEVELS), strict=False
        ):
            points = [step for step in rest if step["chunk"] == chunk]
            budgets = [step["memory"] / MIB for step in points]
            milliseconds = [1e3 * step["seconds"] / batch for step in points]
            time_axes.plot(budgets, milliseconds, "o-", color=colour, label=f"chunks of {chunk}")
            peaks = [step["peak_bytes"] / MIB for step in points]
            memory_axes.plot(budgets, peaks, "o-", color=colour)
        label = f"the whole batch of {batch} in one chunk"
        time_axes.axhline(1e3 * whole["seconds"] / batch, color=PAPER, linestyle="--", label=label)
        memory_axes.axhline(whole["peak_bytes"] / MIB, color=PAPER, linestyle="--")
        for axes in (time_axes, memory_axes):
            axes.set_ylim(bottom=0)
            axes.set_xlabel("memory for graphs (MiB)")
            axes.grid(color="0.92")
            axes.set_axisbelow(True)
        time_axes.set_ylabel("processor time of a clip (ms)")
        memory_axes.set_ylabel("peak memory of a step (MiB)")
        figure.legend(loc="outside lower center", ncols=4, frameon=False)
        picture = io.BytesIO()
        figure.savefig(picture, format="png", dpi=DPI, metadata={"Software": None})
    return picture.getvalue()


if __name__ == "__main__":
    from slurm.command_line import survive_closed_pipes

    survive_closed_pipes()
    main()
