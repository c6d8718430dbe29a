"""What a scale asks of a cluster: GPU-hours, days, disk, network and file system, as Markdown.

    python benchmarks/capacity.py [--scale paper]

The six tables of the paper are planned as ``run.py --dry-run`` does it, with nothing finished or
prepared, and priced by their settings. ``slurm/README.md`` holds the output.
"""
# ruff: noqa: E402 (the project must be on the path first)

import argparse
import sys
import tempfile
import textwrap
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if __name__ == "__main__":  # `python benchmarks/capacity.py` puts benchmarks/ on the path
    sys.path[0] = str(ROOT)
    from slurm import host

    host.require_posix()
    host.require_packages()

from tabulate import tabulate

from benchmarks import stages
from benchmarks.plan import builder, corpora
from benchmarks.plan.amounts import duration, figure, num_bytes, rate
from benchmarks.plan.graph import Plan, Run
from benchmarks.plan.rates import Rates
from benchmarks.plan.schedule import ScheduledRun, enough, simulate
from benchmarks.spec.prices import Footprint
from benchmarks.spec.read_tables import find_tables
from benchmarks.spec.scale import PreparedSize, Scale, load_scale
from benchmarks.store.home import Home
from slurm import command_line

CLUSTERS = (8, 64, 512)  # GPUs
NODE = 8  # GPUs of a node
SHARE = 0.1  # of a training step that the exchange of gradients may take
LINK = 12.5e9  # bytes per second, 100 Gbit/s


def read(scale: str) -> Plan:
    """The plan of the paper's six tables at a scale, with nothing finished or prepared.

    Raises:
        ValueError: if the scale does not exist or does not say what prepared clips take.
    """
    folder = ROOT / "benchmarks" / "scales"
    scales = {path.stem: load_scale(path) for path in sorted(folder.glob("*.yaml"))}
    legal = [name for name, known in scales.items() if known.store is not None]
    if scale not in legal:
        raise ValueError(f"--scale {scale!r}; legal: {', '.join(legal)}")
    with tempfile.TemporaryDirectory() as empty:
        home = Home(Path(empty))
        return builder.make(
            find_tables(ROOT / "tables", ["all"]),
            scales[scale],
            seeds=None,
            precision="bf16",
            corpora=corpora.resolve(scales[scale], {}, home, stages, ROOT),
            home=home,
            stages=stages,
        )


def most_devices(run: Run) -> int:
    """GPUs that a run is given: as many as it can use, with two exceptions.

    An extraction of features takes minutes, so that it is not worth cutting up: 1. The ranks of a
    fine-tuning wait for each other in every layer with batch norm: those of one node.
    """
    most = {"features": 1, "finetune": NODE}.get(run.stage, run.work.num_ranks)
    return min(run.work.num_ranks, most) if run.work.flops else 0


def tasks(runs: Sequence[Run], scale: Scale) -> list[ScheduledRun]:
    """Runs as a schedule sees them, in the planner's order."""
    rates = Rates([])
    return [
        ScheduledRun(
            run.id,
            rates.seconds(run.resolved, run.work, scale.device.sustained_gflops)[0],
            most_devices(run),
            tuple(run.upstream.values()),
        )
        for run in runs
    ]


def page(plan: Plan) -> str:
    """All that a cluster is asked for, as Markdown."""
    device, store = plan.scale.device, plan.scale.store
    assert store is not None
    # The pretraining with the largest gradient, and of those on the largest corpus.
    largest = max(
        (run for run in plan.runs.values() if run.stage == "pretrain"),
        key=lambda run: (footprint(run, plan).parameters, run.work.flops),
    )
    paragraphs = [
        f"A GPU is taken to compute {device.sustained_gflops:,.0f} GFLOP/s: {device.origin}. At"
        " twice that rate hours and days halve, and what network and files must give in a second"
        " doubles.",
        *_time(plan),
        *_disk(plan, store),
        *_network(largest, footprint(largest, plan), device.sustained_gflops * 1e9),
        *_files(largest, footprint(largest, plan), plan.scale, store),
    ]
    wrapped = [
        p if p[0] in "|#" else textwrap.fill(p, 100, break_on_hyphens=False) for p in paragraphs
    ]
    return "\n\n".join(wrapped) + "\n"


def _groups(plan: Plan) -> dict[str, list[Run]]:
    """The runs of each table, and of all."""
    return {**{t.heading: plan.of(t) for t in plan.tables}, "all": list(plan.runs.values())}


def _time(plan: Plan) -> list[str]:
    lines = []
    for heading, runs in _groups(plan).items():
        graph = tasks(runs, plan.scale)
        useful = enough(graph, NODE)
        hours = sum(task.seconds for task in graph) / 3600
        times = [duration(simulate(graph, devices).seconds) for devices in (*CLUSTERS, useful)]
        lines.append([heading, f"{len(runs)}", figure(hours), *times[:-1], f"{useful}", times[-1]])
    graph = tasks(list(plan.runs.values()), plan.scale)
    most = max(most_devices(run) for run in plan.runs.values() if run.stage == "pretrain")
    alone = max(task.seconds for task in graph if task.width == 1)
    on = [f"on {devices} GPUs" for devices in CLUSTERS]
    return [
        "### Time",
        _table(["table", "runs", "GPU-hours", *on, "useful GPUs", "on these"], lines),
        "All seeds of a table are in it. Runs that several tables need count in each of them, and"
        " once in the last line.",
        f"A pretraining uses at most {most} GPUs: its batch is encoded in {most} chunks, each whole"
        " on one GPU because batch norm normalises a chunk. A fine-tuning, whose batch norm takes"
        " the clips of all its GPUs together in every layer, is given at most one node. An"
        f" extraction of features uses one GPU; none takes more than {duration(alone)}. A run"
        " starts, in the planner's order, when the runs it builds on have ended and as many GPUs"
        " are free as it can use, and keeps them to its end.",
        f"More than the useful GPUs (whole nodes of {NODE}) make a table no faster: its longest"
        " chain of runs, each of which needs the one before, is then all the time it takes. The"
        " last line may need fewer than a table does alone, as short chains find room beside long"
        " ones.",
        f"These times are lower bounds. {most} GPUs are taken to compute {most} times as fast as"
        " one, each encoding its chunk once (a rank with several encodes those twice whose graphs"
        " its memory does not hold, which costs up to a third more); nothing waits for a scheduler,"
        " for the network or for files, and nothing fails. Retrieval, clustering and linear"
        " classifiers read stored features on processor cores: not estimated.",
    ]


def _disk(plan: Plan, store: PreparedSize) -> list[str]:
    prepared, lines = {}, []
    for corpus in plan.used_corpora():
        seconds = plan.scale.corpora[corpus.name].seconds_per_item
        items = corpus.counts["all"]
        prepared[corpus.path] = items * stages.item_bytes(seconds, store.video_bytes_per_second)
        hours = items * seconds["video"] / 3600 if "video" in seconds else None
        lines.append(
            [
                corpus.title,
                f"{items:,}",
                figure(items * max(seconds.values()) / 3600),
                num_bytes(prepared[corpus.path]),
                figure(hours * store.prepare_seconds_per_second) if hours else "not estimated",
            ]
        )
    sound = stages.item_bytes({"audio": 1.0}, 0.0)
    per_table = []
    for heading, runs in _groups(plan).items():
        read = {run.corpus.path for run in runs}
        left = sum(footprint(run, plan).disk_bytes for run in runs)
        stored = sum(prepared[path] for path in read)
        per_table.append([heading, num_bytes(stored), num_bytes(left)])
    return [
        "### Disk",
        _table(["corpus", "items", "hours", "prepared", "core-hours to prepare"], lines),
        f"A second of prepared video takes {num_bytes(store.video_bytes_per_second)}, and"
        f" {figure(store.prepare_seconds_per_second * 1e3)} ms of one core to prepare:"
        f" {store.origin}. A second of sound takes {num_bytes(sound)}. The"
        " originals, which are read once, are not counted.",
        _table(["table", "corpora it reads", "files of its runs"], per_table),
        "A training leaves its weights and its last two checkpoints, which hold the optimiser's"
        " moments too; an extraction leaves features of every clip. Nothing is deleted.",
    ]


def footprint(run: Run, plan: Plan) -> Footprint:
    """What a run trains, leaves on disk and exchanges."""
    encoder = run.upstream.get("encoder")
    pretrained = plan.runs[encoder].resolved if encoder else None
    return stages.footprint(run.resolved, run.corpus.counts, pretrained)


def _network(run: Run, of_run: Footprint, flops_per_second: float) -> list[str]:
    ranks, batch = most_devices(run), run.resolved["optimisation"]["batch_size"]
    step = batch * run.work.flops / run.work.clips / ranks / flops_per_second
    exchange = run.resolved["optimisation"].get("gradient_exchange", "float64")
    moved = all_reduce_bytes(of_run.gradient_bytes, ranks)
    needed = moved / (SHARE * step)
    lines = []
    for nodes in (n for n in (2, 4, 8) if n <= ranks):
        per_node = ranks // nodes
        trainings = NODE // per_node
        lines.append(
            [f"{nodes}", f"{per_node}", rate(needed), f"{trainings}", rate(trainings * needed)]
        )
    headers = ["nodes of a training", "its GPUs per node", "out of a node for it"]
    headers += ["trainings per node", "out of a full node"]
    return [
        "### Where the network is the limit",
        f"A step of {batch} clips computes for {figure(step)} s on {ranks} GPUs. Then these add up"
        f" the gradient of {figure(of_run.parameters / 1e6)} million parameters, as {exchange}"
        f" {num_bytes(of_run.gradient_bytes)}, while nothing is computed. In a ring each GPU sends"
        f" and receives {num_bytes(moved)} for it. The features of all clips, which every GPU needs"
        f" for the loss, are {num_bytes(batch * of_run.exchanged_bytes)} beside it.",
        f"For this to take {SHARE:.0%} of the step's computing, each GPU must send"
        f" {rate(needed)} to the next one, and receive as much at the same time. If a training is"
        " spread over nodes, its ring leaves each node once; the node's other GPUs then belong to"
        " other trainings, whose rings leave it too:",
        _table(headers, lines),
        f"With a link of {LINK * 8 / 1e9:.0f} Gbit/s to itself, a training spends"
        f" {moved / LINK / step:.0%} of the step's computing on the exchange between nodes. Keep"
        f" the {ranks} GPUs of a training on one node. Where that cannot be, the setting"
        " `optimisation: {gradient_exchange: float32}` of a pretraining halves the bytes; such runs"
        " have names of their own, and their tables say so.",
    ]


def all_reduce_bytes(size: float, ranks: int) -> float:
    """What each rank sends, and receives, when a ring of ranks adds up so many bytes."""
    return 2 * (ranks - 1) / ranks * size


def _files(run: Run, of_run: Footprint, scale: Scale, store: PreparedSize) -> list[str]:
    clip, seconds = run.resolved["clip"], scale.corpora[run.corpus.name].seconds_per_item
    clips = scale.device.sustained_gflops * 1e9 * run.work.clips / run.work.flops
    read = stages.reading(run.resolved, seconds, store.video_bytes_per_second)
    checkpoint, period = of_run.checkpoint_bytes, of_run.checkpoint_seconds
    lines = [
        [
            f"{devices}",
            figure(devices * clips),
            rate(devices * clips * read.num_bytes),
            figure(devices * clips * read.num_reads),
            rate(devices / most_devices(run) * checkpoint / period),
            figure(devices * clips * store.decode_seconds_per_clip),
        ]
        for devices in CLUSTERS
    ]
    headers = ["GPUs that pretrain", "clips/s", "read", "reads/s", "written", "cores that decode"]
    return [
        "### Where the file system is the limit",
        f"A GPU pretrains on {figure(clips)} clips a second. A clip is {figure(read.num_reads)}"
        f" reads at random places of the store, {num_bytes(read.num_bytes)} in all: the sizes of"
        f" its packets, the packets and {figure(clip['audio_seconds'])} s of sound; and once in"
        f" {read.verify_epochs} epochs"
        " the whole item, for its digest. Each read opens its file: there are as many opens. The"
        f" clip takes {figure(1e3 * store.decode_seconds_per_clip)} ms of one core, measured on the"
        " same clips as the bytes. A training writes a checkpoint of"
        f" {num_bytes(checkpoint)} every {figure(period)} s.",
        _table(headers, lines),
        "If the file system gives less, it is the limit and GPUs wait. An extraction of features"
        f" has no backward pass: its GPU wants {stages.passes_of_training()} times as many clips a"
        " second.",
    ]


def _table(headers: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    alignment = ["left", *["right"] * (len(headers) - 1)]
    return tabulate(
        lines, headers=headers, tablefmt="pipe", disable_numparse=True, colalign=alignment
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Print the page; the exit code: 0, 2 if the scale cannot be asked, or 5."""
    parser = argparse.ArgumentParser(
        prog="benchmarks/capacity.py", description="What a scale asks of a cluster, as Markdown."
    )
    parser.add_argument("--scale", default="paper", help="default: paper")
    arguments = parser.parse_args(argv)
    try:
        print(page(read(arguments.scale)), end="")
    except ValueError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2
    except Exception as problem:
        return command_line.report_crash(problem)
    return 0


if __name__ == "__main__":
    command_line.survive_closed_pipes()
    sys.exit(main())
