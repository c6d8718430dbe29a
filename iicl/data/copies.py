"""Copies of corpora, real or generated, and what is prepared from them."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, get_args

from iicl.config import Preparation
from iicl.data import datasets
from iicl.data.manifest import Manifest
from iicl.data.prepare import Survey, assemble, prepare, prepare_part, survey

Progress = Callable[[int, int], None]
"""Called with the number of things done and the number of all."""


@dataclass(frozen=True)
class Copy:
    """A copy of a corpus, and how it is prepared; errors as those of :mod:`iicl.data.prepare`.

    Attributes:
        corpus: name of the corpus.
        source: root of the copy.
        preparation: what is kept of a source file.
        out: folder of the prepared corpus.
    """

    corpus: str
    source: Path
    preparation: Preparation
    out: Path

    def prepare(self, num_workers: int, progress: Progress) -> None:
        """Prepare all of it."""
        prepare(
            *self._places(),
            corpus=self.corpus,
            preparation=self.preparation,
            num_workers=num_workers,
            progress=progress,
            others=self._others(),
        )

    def prepare_part(self, part: int, num_parts: int, num_workers: int, progress: Progress) -> None:
        """Prepare one part of its shards."""
        prepare_part(
            *self._places(),
            part=part,
            num_parts=num_parts,
            preparation=self.preparation,
            num_workers=num_workers,
            progress=progress,
            others=self._others(),
        )

    def assemble(self) -> Manifest:
        """Write the manifest when all parts are prepared."""
        return assemble(*self._places(), corpus=self.corpus, preparation=self.preparation)

    def survey(self) -> Survey:
        """What of it is prepared already."""
        return survey(*self._places(), corpus=self.corpus, preparation=self.preparation)

    def _places(self) -> tuple[str, Path, Path]:
        reader = datasets.detect(self.corpus, self.source, stand_in=True)
        return reader, self.source, self.out

    def _others(self) -> list[Path]:
        """Folders where the corpus was prepared from another place or by other code."""
        folders = self.out.parent.glob(f"{self.corpus}-*")
        return sorted(path for path in folders if path.is_dir() and path != self.out)


def generated(
    corpus: str, out: Path, settings: Mapping[str, Any], num_workers: int, progress: Progress
) -> Path:
    """Generate a copy beside the folder where it will be prepared; its root.

    The clips lie in ``<out>.source``, and ``<out>.png`` shows two of every class.

    Args:
        corpus: its name.
        out: folder of the prepared corpus.
        settings: other arguments of :func:`iicl.data.synthetic.write.generate`.
        num_workers: processes.
        progress: called after each item.

    Raises:
        ChildProcessError: if a process was killed.
    """
    from concurrent.futures.process import BrokenProcessPool

    from iicl.data.synthetic.contact_sheet import contact_sheet
    from iicl.data.synthetic.world import CorpusName
    from iicl.data.synthetic.write import generate

    assert corpus in get_args(CorpusName), f"{corpus} cannot be generated"
    source = out.with_name(f"{out.name}.source")
    source.parent.mkdir(parents=True, exist_ok=True)
    name = cast(CorpusName, corpus)
    try:
        generate(name, source, **settings, num_workers=num_workers, progress=progress)
    except BrokenProcessPool:
        raise ChildProcessError(
            f"a process that generated {corpus} was killed, perhaps for its memory;"
            " the same command goes on"
        ) from None
    try:
        contact_sheet([source], out.with_name(f"{out.name}.png"))
    except Exception as problem:  # the corpus is whole without its picture
        print(f"no picture of {corpus}: {type(problem).__name__}: {problem}", file=sys.stderr)
    return source
