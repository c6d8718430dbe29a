"""From an official layout to a prepared corpus: every source file is decoded once.

``<out>/manifest.jsonl`` names the folder beside it that holds the shards. That folder is named
after the source listing (paths, sizes, modification times) and the preparation. Therefore the
shards of two sources or of two preparations never mix, and a preparation that was killed can be
started again: it keeps the shards that are finished. For the same reason any number of processes,
on any hosts that share a file system, can share the work. Each process prepares the shards of its
part; when all shards are there, one process assembles the manifest.

Before an item is decoded, the shards below ``<out>`` are searched for a payload that was made from
the same content (:mod:`iicl.data.writing.reuse`). If one clip is added, touched or moved, only new
content is decoded. The result has the same bytes as a preparation into an empty folder. Folders of
older shards stay until :mod:`iicl.data.prune` removes them.

What is checked, and when:

- Opening a finished corpus reads the manifest and the sizes of its shards, nothing else. Two
  million clips are opened in seconds.
- Assembling reads the index of every shard and compares the size of its payloads.
- The sha256 of every payload is compared when a preparation (or a part) goes on with shards that
  an earlier one wrote, and when ``verify`` asks for it. A payload that differs is prepared again.
- The loader (:mod:`iicl.data.loader`) compares the sha256 of some payloads at a time. There, a
  payload that differs is an error.
"""

import errno
import functools
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from iicl.config import Preparation
from iicl.data.manifest import Manifest, ManifestItem, read_header
from iicl.data.shard_folders import preparing, shard_folders
from iicl.data.store import PreparedCorpus
from iicl.data.writing import pool, recipe
from iicl.data.writing.assembly import read_rows, write_manifest
from iicl.data.writing.plan import ShardPlan, is_current, make_plan
from iicl.data.writing.reuse import Earlier
from iicl.data.writing.shards import Shard, prepare_shard

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Survey:
    """The state of a prepared corpus compared with its source, found without reading media.

    Attributes:
        current: whether the manifest was made from this listing and this preparation; the shards
            themselves are not examined.
        num_shards: number of shards that the listing is divided into.
        fingerprint: hash of the listing and the preparation; it names the folder of the shards.
    """

    current: bool
    num_shards: int
    fingerprint: str


def prepare(
    reader: str,
    source: Path,
    out: Path,
    *,
    corpus: str,
    preparation: Preparation,
    num_workers: int,
    progress: Callable[[int, int], None] | None = None,
    verify: bool = False,
    others: Sequence[Path] = (),
) -> Manifest:
    """Prepares a corpus, unless it is prepared already.

    Args:
        reader: name of the dataset reader, see :mod:`iicl.data.datasets`.
        source: root of the official layout.
        out: folder of the prepared corpus, created if it is not there.
        corpus: name of the corpus in its manifest.
        preparation: what to keep of each file.
        num_workers: number of decoding processes; 0 counts as 1, because the calling process never
            decodes.
        progress: called with (number of items begun, number of all items).
        verify: if the corpus is prepared already, compare every payload with its digest and prepare
            those that differ again.
        others: more prepared corpora whose payloads may be reused, besides ``out`` itself.

    Returns:
        The manifest. It lists every item; an item with neither video nor sound has a reason.

    Raises:
        ValueError: if the source is not laid out as the reader expects, ``out`` lies inside it or
            nothing in it is usable.
        OSError: if the disk is full or cannot be written; finished shards stay.
    """
    plan = make_plan(reader, source, out, preparation)
    prepared = _prepared(plan, corpus)
    if prepared is not None and not verify:
        return prepared
    out.mkdir(parents=True, exist_ok=True)
    with preparing(out), _explain_full_disk(out):
        items = _prepare_shards(plan, plan.shards, others, num_workers, progress)
        if prepared is not None and prepared.items == items:
            return prepared
        return write_manifest(plan, corpus, items)


def survey(
    reader: str, source: Path, out: Path, *, corpus: str, preparation: Preparation
) -> Survey:
    """Finds out whether there is anything to prepare; the arguments are those of :func:`prepare`.

    Raises:
        ValueError: if the source is not laid out as the reader expects, ``out`` lies inside it, or
            the first line of the manifest is damaged.
    """
    plan = make_plan(reader, source, out, preparation)
    current = is_current(read_header(out), plan, corpus)
    return Survey(current, len(plan.shards), plan.fingerprint)


def prepare_part(
    reader: str,
    source: Path,
    out: Path,
    *,
    part: int,
    num_parts: int,
    preparation: Preparation,
    num_workers: int,
    progress: Callable[[int, int], None] | None = None,
    others: Sequence[Path] = (),
) -> list[ManifestItem]:
    """Prepares the shards whose number modulo ``num_parts`` is ``part``. Writes no manifest.

    Several parts, and even several calls for the same part, may run at the same time: a shard is
    replaced as a whole, and equal sources give equal shards.

    Args:
        reader: as in :func:`prepare`.
        source: root of the official layout.
        out: folder of the prepared corpus.
        part: from 0 to ``num_parts`` - 1; if there are more parts than shards, the last parts are
            empty.
        num_parts: number of parts of the corpus. Each part lists the whole source for itself.
        preparation: what to keep of each file.
        num_workers: number of decoding processes.
        progress: called with (number of items begun, number of all items of the part).
        others: more prepared corpora whose payloads may be reused, besides ``out`` itself.

    Returns:
        The manifest rows of the part's shards.

    Raises:
        ValueError: if ``part`` is out of range, the source is not laid out as the reader expects or
            ``out`` lies inside it.
        OSError: if the disk is full or cannot be written; finished shards stay.
    """
    if not 0 <= part < num_parts:
        raise ValueError(f"part {part} of {num_parts}: parts are numbered from 0 to num_parts - 1")
    plan = make_plan(reader, source, out, preparation)
    shards = plan.shards[part::num_parts]
    out.mkdir(parents=True, exist_ok=True)
    with preparing(out), _explain_full_disk(out):
        return _prepare_shards(plan, shards, others, num_workers, progress)


def assemble(
    reader: str, source: Path, out: Path, *, corpus: str, preparation: Preparation
) -> Manifest:
    """Writes the manifest when all parts are prepared; the arguments are those of :func:`prepare`.

    Payloads are not compared with their digests, but they must be as long as the indexes say.

    Returns:
        The manifest, as :func:`prepare` would have written it.

    Raises:
        ValueError: if a shard is missing or damaged (all are missing if the source has changed
            since), the source is not laid out as the reader expects, ``out`` lies inside it or
            nothing in it is usable.
        OSError: if the disk is full or cannot be written.
    """
    plan = make_plan(reader, source, out, preparation)
    with preparing(out), _explain_full_disk(out):
        return write_manifest(plan, corpus, read_rows(plan, corpus))


def _prepared(plan: ShardPlan, corpus: str) -> Manifest | None:
    """The existing manifest, if it belongs to the plan and its shards are there."""
    try:
        header = read_header(plan.out)
        if is_current(header, plan, corpus):
            return PreparedCorpus.open(plan.out).manifest
        if header is not None and header.get("source") != plan.fingerprint:
            logger.warning(
                "the source or the preparation of %s has changed: preparing beside %s,"
                " which stays until `iicl prune` removes it",
                plan.out,
                header.get("data"),
            )
    except ValueError as error:
        logger.warning("%s; keeping the shards that are whole and preparing the others", error)
    return None


@contextmanager
def _explain_full_disk(out: Path) -> Iterator[None]:
    """Says in the error what to do when the disk is full."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise OSError(
                error.errno, "the disk is full while preparing; free some space and run again", out
            ) from error
        raise


def _prepare_shards(
    plan: ShardPlan,
    shards: Sequence[Shard],
    others: Sequence[Path],
    num_workers: int,
    progress: Callable[[int, int], None] | None,
) -> list[ManifestItem]:
    """Prepares the shards that are missing or damaged; returns the rows of all shards."""
    plan.folder.mkdir(exist_ok=True)
    num_items = sum(len(shard.items) for shard in shards)
    num_done = 0

    def advance() -> None:
        nonlocal num_done
        num_done = min(num_done + 1, num_items)
        if progress is not None:
            progress(num_done, num_items)

    # The plan's own folder comes last: its payloads are reused only inside its damaged shards.
    folders = [folder for out in (plan.out, *others) for folder in shard_folders(out)]
    folders.sort(key=lambda folder: folder == plan.folder)
    earlier = Earlier.gather(plan.source, recipe.digest(plan.preparation), folders)
    function = functools.partial(prepare_shard, earlier=earlier)
    tallies = pool.run_batches(function, shards, min(num_workers, len(shards)), advance)
    tally: Counter[str] = sum(tallies, Counter())
    counts = [
        f"{tally[outcome]:,} {outcome}"
        for outcome in ("decoded", "taken over", "already there", "missing or not readable")
        if tally[outcome] or outcome in ("decoded", "taken over")
    ]
    logger.info("%s: %s", plan.out, ", ".join(counts))
    return [row for shard in shards for row in shard.rows()]
