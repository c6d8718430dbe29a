"""Records of runs that mean nothing and are valid."""

from typing import Any

SPEC: dict[str, Any] = {
    "identity": {"spec": "a", "code": "b"},
    "resolved": {"stage": "retrieval"},
    "upstream": {},
    "clips": 0,
    "flops": 0.0,
}
MACHINE: dict[str, Any] = {
    "commit": "0123456789",
    "python": "3.11.0",
    "packages": {"torch": "2.11.0"},
    "processor": "a processor",
    "instruction_set": "avx2",
    "cores": 2,
    "gpu": "none",
    "threads": 1,
}
PROVENANCE: dict[str, Any] = {**MACHINE, "site": "inline", "num_ranks": 1, "num_nodes": 1}
RESULT: dict[str, Any] = {"metrics": {"a": 0.5}, "seconds": 1.0}


def preparation(fills: object) -> dict[str, Any]:
    """The specification of a job that prepares a corpus in a folder."""
    return {"identity": {"function": "prepare"}, "fills": str(fills)}
