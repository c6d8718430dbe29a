"""How much memory the graph of an encoding takes, and how many graphs a step may keep."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor

from iicl.config import Execution

GIB = 2**30
ON_CPU = 2 * GIB
SHARE_OF_CARD = 0.5


@dataclass
class GraphSize:
    """What a graph holds for its backward pass.

    Attributes:
        storages: size in bytes of each memory block that was saved, by its address.
    """

    storages: dict[int, int] = field(default_factory=dict)

    @property
    def num_bytes(self) -> int:
        """Size of all saved memory blocks together; a block that is saved twice counts once."""
        return sum(self.storages.values())


@contextmanager
def measured_graph(outside: Iterable[Tensor]) -> Iterator[GraphSize]:
    """Measure the graph that is built inside the block; it is complete at the block's end.

    Args:
        outside: tensors that live on without the graph, such as weights and samples; they do not
            count.
    """
    size = GraphSize()
    known = {tensor.untyped_storage().data_ptr() for tensor in outside}

    def count(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if (address := storage.data_ptr()) not in known:
            size.storages[address] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        yield size


def budget_bytes(execution: Execution, device: torch.device) -> int:
    """The memory for kept graphs: as the execution says, else 2 GiB, or half of a CUDA device."""
    if execution.graph_memory_gib is not None:
        return int(execution.graph_memory_gib * GIB)
    if device.type == "cuda":
        return int(SHARE_OF_CARD * torch.cuda.get_device_properties(device).total_memory)
    return ON_CPU
