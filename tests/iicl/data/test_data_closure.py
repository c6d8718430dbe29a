"""Loading a prepared corpus needs none of the code that prepares one.

The code hash of a run covers what it imports. A change in how media files are read must therefore
not reach the loader; the digests of the payloads already say what was read.
"""

import subprocess
import sys

MAKING = ("iicl.data.datasets", "iicl.data.media", "iicl.data.prepare", "iicl.data.writing")


def test_the_loader_imports_nothing_that_prepares() -> None:
    code = "import sys, iicl.data.loader, iicl.data.transforms; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "iicl.data.store" in run.stdout.split()
    assert [name for name in run.stdout.split() if name.startswith(MAKING)] == []
