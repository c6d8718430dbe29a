"""Which processor kernels torch computes with: equal code on unlike ones gives unlike last bits."""

import re


def kernels() -> dict[str, str]:
    """The libraries that choose kernels by the processor -> what they have chosen.

    Returns:
        ``torch``: the instruction set of its own kernels, such as ``AVX2`` or ``AVX512``;
        ``oneDNN``: version of the library of convolutions, or ``off``.
    """
    import torch

    version = re.search(r"DNN v([\d.]+)", torch.__config__.show())
    is_used = torch.backends.mkldnn.is_available() and torch.backends.mkldnn.enabled
    return {
        "torch": torch.backends.cpu.get_cpu_capability(),
        "oneDNN": version[1] if version is not None and is_used else "off",
    }
