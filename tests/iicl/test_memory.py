import platform
import subprocess
import sys

import pytest

STEPS = """
import resource
from iicl.memory import keep_freed_memory
import torch
{call}
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def step():
    torch.ones(10 * 2**20)  # 40 MiB: more than glibc keeps by itself
for _ in range(10):
    step()
before = faults()
for _ in range(10):
    step()
print(faults() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_memory_that_was_freed_is_used_again_and_not_cleared_by_the_system() -> None:
    faults = {}
    for call in ("keep_freed_memory()", ""):
        run = subprocess.run(
            [sys.executable, "-c", STEPS.format(call=call)],
            capture_output=True,
            text=True,
            check=True,
        )
        faults[call] = int(run.stdout)
    assert faults["keep_freed_memory()"] * 2 < faults[""]
