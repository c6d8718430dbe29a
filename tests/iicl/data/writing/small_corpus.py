"""What the tests of preparing share: calls with small settings, and looks at files."""

from pathlib import Path

from iicl.config import Preparation
from iicl.data.manifest import Manifest, ManifestItem
from iicl.data.prepare import assemble, prepare, prepare_part

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
