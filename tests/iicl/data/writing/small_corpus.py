"""What the tests of preparing share: calls with small settings, and looks at files."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from iicl.config import Preparation
from iicl.data.manifest import Manifest, ManifestItem
from iicl.data.prepare import assemble, prepare, prepare_part
from iicl.data.writing import plan

ROOT = Path(__file__).parents[4]
SMALL = Preparation(short_side=32)


def run(source: Path, out: Path, **options: object) -> Manifest:
    """Prepares ``source`` with small settings; ``options`` replace them."""
    settings = {"reader": "folder", "corpus": "small", "preparation": SMALL, "num_workers": 1}
    return prepare(source=source, out=out, **settings | options)  # type: ignore[arg-type]


def flip(path: Path, old: bytes | None = None) -> None:
    """Changes one byte: in the middle, or the second one of ``old``."""
    content = bytearray(path.read_bytes())
    content[content.index(old) + 1 if old else len(content) // 2] ^= 1
    path.write_bytes(content)


def stamps(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def run_part(source: Path, out: Path, part: int, num_parts: int) -> list[ManifestItem]:
    return prepare_part(
        "folder", source, out, part=part, num_parts=num_parts, preparation=SMALL, num_workers=1
    )


def run_assemble(source: Path, out: Path, corpus: str = "small") -> Manifest:
    return assemble("folder", source, out, corpus=corpus, preparation=SMALL)


def run_killed(script: Path, call: str, items_per_shard: int = plan.ITEMS_PER_SHARD) -> None:
    """Runs ``call`` in a process that is killed when its worker begins a shard but the first.

    Args:
        script: file to write the program to.
        call: a call of a function of :mod:`iicl.data.prepare`.
        items_per_shard: size of shards.
    """
    script.write_text(f"""
import os, signal
from pathlib import Path
from iicl.config import Preparation
from iicl.data import prepare
from iicl.data.writing import plan
from iicl.data.writing.shards import prepare_shard

def killed_at_the_second(shard, context, earlier):
    if shard.number:
        os.kill(os.getppid(), signal.SIGKILL)
        os._exit(1)
    return prepare_shard(shard, context, earlier)

if __name__ == "__main__":
    plan.ITEMS_PER_SHARD = {items_per_shard}
    prepare.prepare_shard = killed_at_the_second
    prepare.{call}
""")
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    killed = subprocess.run([sys.executable, str(script)], env=environment, check=False)
    assert killed.returncode == -signal.SIGKILL
