"""How long runs take: at a measured rate, or at the one that the scale assumes.

The rate is that of finished runs of this home, of the same stage on the same clips and encoders. If
there are none, it is the one that a launch has measured on this machine. Before that it is the
scale's assumption, and the estimate says so.
"""

import statistics
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from benchmarks.plan.corpora import UsedCorpus
from benchmarks.spec.prices import Work
from benchmarks.store.records import Result, RunSpec, Speed


def _kind(resolved: Mapping[str, Any], clips: int, flops: float) -> tuple[Any, ...]:
    """Runs of one kind compute at one rate: same stage, clip, encoders and precision."""
    described = [resolved.get(key) for key in ("clip", "precision", "view")]
    per_clip = round(flops / clips) if clips else 0
    name = resolved.get("method", {}).get("name")
    return (resolved["stage"], name, str(described), per_clip)


class Rates:
    """Seconds of finished runs, to estimate others by."""

    def __init__(
        self, finished: Iterable[tuple[RunSpec, Result]], speed: Speed | None = None
    ) -> None:
        """Learn from (spec, result) of finished runs, and from the measured speed of a machine."""
        self.speed = speed
        self._per_flop: dict[tuple[Any, ...], list[float]] = {}
        self._seconds: dict[str, list[float]] = {}
        for spec, result in finished:
            resolved, clips, flops = spec["resolved"], spec["clips"], spec["flops"]
            if flops:
                rate = result["seconds"] * result.get("num_ranks", 1) / flops
                self._per_flop.setdefault(_kind(resolved, clips, flops), []).append(rate)
            else:
                self._seconds.setdefault(resolved["stage"], []).append(result["seconds"])

    def seconds(
        self, resolved: Mapping[str, Any], work: Work, sustained_gflops: float
    ) -> tuple[float, bool]:
        """Estimated seconds on one device, and whether they rest on a measurement."""
        if not work.flops:
            known = self._seconds.get(resolved["stage"])
            return (statistics.median(known), True) if known else (0.0, False)
        per_flop = self._per_flop.get(_kind(resolved, work.clips, work.flops))
        if per_flop:
            return statistics.median(per_flop) * work.flops, True
        if self.speed is not None and resolved["stage"] in self.speed["seconds_per_flop"]:
            return self.speed["seconds_per_flop"][resolved["stage"]] * work.flops, True
        return work.flops / (sustained_gflops * 1e9), False

    def preparation_seconds(self, corpora: Collection[UsedCorpus]) -> tuple[float, bool]:
        """Seconds of one core to generate and prepare corpora, and whether they are measured.

        A launch measures one corpus; the others take as much longer or shorter as the scale
        assumes. Real copies are not estimated.
        """
        generated = [c.generation for c in corpora if c.generation is not None]
        assumed = sum(g.num_items * g.core_seconds_per_item for g in generated)
        if self.speed is None:
            return assumed, False
        return assumed * self.speed["preparation_pace"], True
