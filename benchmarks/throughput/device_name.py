"""What a device is called, in words and as part of a file's name."""

from benchmarks.store import provenance


def name_of(device: str) -> str:
    """What the maker calls the device.

    Args:
        device: torch's name of it, such as "cpu" or "cuda".
    """
    if device == "cpu":
        return provenance.processor()
    import torch

    return torch.cuda.get_device_name(device)


def file_stem(device_name: str) -> str:
    """The name in lower case, with single hyphens in place of what is no letter or digit."""
    return "-".join("".join(c if c.isalnum() else " " for c in device_name.lower()).split())
