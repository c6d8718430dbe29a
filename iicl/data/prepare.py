"""From official layouts to a prepared corpus: every source file is decoded once.

``<out>/manifest.jsonl`` names the folder beside it that holds the shards. That folder is named
after the source listing (paths, sizes, modification times) and the preparation, so that two sources
or two preparations never mix, and a prepare that was killed goes on where it stopped, shard by
shard. For the same reason any number of processes, on any hosts with one file system, can share the
work: each prepares the shards of its part, and when all are there one assembles the manifest.

Before an item is decoded, a payload of the same content is looked for among all shards below
``<out>`` (:mod:`iicl.data.reuse`): one clip more, a touched file or a moved copy costs as much
decoding as there is new content. The result is the same, byte by byte, as that of a preparation
from nothing. Old folders stay until :mod:`iicl.data.prune` removes them.

What is checked when: a finished corpus costs one look at the manifest and the sizes of its shards,
so that two million clips are opened in seconds. Assembling reads the index of every shard and looks
at the size of its payloads. The sha256 of every payload is compared by a preparation, or a part of
one, that goes on and finds shards of an earlier one, by ``verify``, and, piecemeal, by the loader
(:mod:`iicl.data.loader`). Payloads that are not as they were written are prepared anew by the first
two and are an error in the third.
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
from iicl.data import datasets, leaks, pool, recipe
from iicl.data.manifest import (
    Listing,
    Manifest,
    ManifestItem,
    read_header,
)
from iicl.data.reuse import Earlier
from iicl.data.shard_folders import check_apart, check_apart_from_items, preparing, shard_folders
from iicl.data.shards import Shard, prepare_shard
from iicl.data.statistics import log_mel_statistics
from iicl.data.store import PreparedCorpus

ITEMS_PER_SHARD = 64

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Survey:
    """What a look at a source and a prepared corpus says, with no media read.

    Attributes:
        current: the manifest is of this very listing and preparation; nobody looked at its shards.
        num_shards: that the listing is divided into.
        fingerprint: of the listing and the preparation; another one names another folder.
    """

    current: bool
    num_shards: int
    fingerprint: str


@dataclass(frozen=True)
class _Plan:
    """What there is to prepare from a source, and where."""

    reader: str
    source: Path
    out: Path
    preparation: Preparation
    listing: Listing
    fingerprint: str
    folder: Path
    shards: list[Shard]


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
    """Prepares a corpus, or finds it prepared already.

    Args:
        reader: name of the dataset reader, see :mod:`iicl.data.datasets`.
        source: root of the official layout.
        out: folder of the prepared corpus, created if need be.
        corpus: name that the manifest bears.
        preparation: what to keep of each file.
        num_workers: decoding processes at a time; 0 counts as 1, decoding never runs in the caller.
        progress: called with (items begun, all items).
        verify: read a corpus that is prepared already from end to end, compare every payload with
            its digest and prepare anew what differs.
        others: prepared corpora to take payloads over from, besides ``out`` itself.

    Returns:
        The manifest. An item without any view bears the reason; nothing is left out.

    Raises:
        ValueError: if the source is not laid out as the reader expects, ``out`` lies inside it or
            nothing in it is usable.
        OSError: if the disk is full or cannot be written; finished shards stay.
    """
    plan = _plan(reader, source, out, preparation)
    prepared = _prepared(plan, corpus)
    if prepared is not None and not verify:
        return prepared
    out.mkdir(parents=True, exist_ok=True)
    with preparing(out), _full_disk_in_words(out):
        items = _prepare_shards(plan, plan.shards, others, num_workers, progress)
        if prepared is not None and prepared.items == items:
            return prepared
        return _write_manifest(plan, corpus, items)


def survey(
    reader: str, source: Path, out: Path, *, corpus: str, preparation: Preparation
) -> Survey:
    """Looks whether there is anything to prepare; arguments as of :func:`prepare`.

    Raises:
        ValueError: if the source is not laid out as the reader expects, ``out`` lies inside it, or
            the first line of the manifest is damaged.
    """
    plan = _plan(reader, source, out, preparation)
    current = _is_current(read_header(out), plan, corpus)
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
    """Prepares the shards whose number leaves ``part`` when divided by ``num_parts``.

    Writes no manifest. It may run beside other parts, and beside itself: shards are replaced as a
    whole, and equal sources give equal shards.

    Args:
        reader: as in :func:`prepare`; so are the arguments not listed here.
        source: root of the official layout.
        out: folder of the prepared corpus.
        part: 0 to ``num_parts`` - 1; with more parts than shards the last ones are empty.
        num_parts: that the corpus is divided into. Each lists the whole source for itself.
        preparation: what to keep of each file.
        num_workers: decoding processes at a time.
        progress: called with (items begun, all items of the part).
        others: prepared corpora to take payloads over from, besides ``out`` itself.

    Returns:
        The manifest rows of the part's shards.

    Raises:
        ValueError: if ``part`` is out of range, the source is not laid out as the reader expects or
            ``out`` lies inside it.
        OSError: if the disk is full or cannot be written; finished shards stay.
    """
    if not 0 <= part < num_parts:
        raise ValueError(f"part {part} of {num_parts}: parts are numbered from 0 to num_parts - 1")
    plan = _plan(reader, source, out, preparation)
    shards = plan.shards[part::num_parts]
    out.mkdir(parents=True, exist_ok=True)
    with preparing(out), _full_disk_in_words(out):
        return _prepare_shards(plan, shards, others, num_workers, progress)


def assemble(
    reader: str, source: Path, out: Path, *, corpus: str, preparation: Preparation
) -> Manifest:
    """Writes the manifest when all parts are prepared; arguments as of :func:`prepare`.

    Payloads are not compared with their digests, but they must be as long as the indexes say.

    Returns:
        The manifest, as :func:`prepare` would have written it.

    Raises:
        ValueError: if a shard is missing or damaged (all are missing if the source has changed
            since), the source is not laid out as the reader expects, ``out`` lies inside it or
            nothing in it is usable.
        OSError: if the disk is full or cannot be written.
    """
    plan = _plan(reader, source, out, preparation)
    with preparing(out), _full_disk_in_words(out):
        return _write_manifest(plan, corpus, _rows(plan, corpus))


def _rows(plan: _Plan, corpus: str) -> list[ManifestItem]:
    """Reads the index of every shard; ValueError if one is missing or damaged."""
    items: list[ManifestItem] = []
    flaws: list[str] = []
    for shard in plan.shards:
        try:
            items += shard.rows()
        except ValueError as error:
            flaws.append(f"number {shard.number}: {error}")
    if flaws:
        raise ValueError(
            f"{len(flaws)} of {len(plan.shards)} shards of {corpus} are missing or damaged,"
            f" the first is {flaws[0]}; prepare the parts that hold them, then assemble again"
        )
    return items


def _plan(reader: str, source: Path, out: Path, preparation: Preparation) -> _Plan:
    """Lists the source and divides it into shards."""
    module = datasets.reader(reader)
    check_apart(source, out)
    listing = module.discover(source)
    check_apart_from_items(source, out, listing.items)
    fingerprint = recipe.fingerprint(listing, source, preparation)
    folder = out / fingerprint[:16]
    shards = [
        Shard(number, listing.items[start : start + ITEMS_PER_SHARD], folder, preparation)
        for number, start in enumerate(range(0, len(listing.items), ITEMS_PER_SHARD))
    ]
    return _Plan(reader, source, out, preparation, listing, fingerprint, folder, shards)


def _is_current(header: dict | None, plan: _Plan, corpus: str) -> bool:
    """Whether a manifest is of this corpus, listing and preparation."""
    wanted = (plan.fingerprint, corpus)
    return header is not None and (header.get("source"), header.get("corpus")) == wanted


def _prepared(plan: _Plan, corpus: str) -> Manifest | None:
    """The manifest that is there, if it is the one wanted and has its shards."""
    try:
        header = read_header(plan.out)
        if _is_current(header, plan, corpus):
            return PreparedCorpus.open(plan.out).manifest
        if header is not None and header.get("source") != plan.fingerprint:
            logger.warning(
                "the source or the preparation of %s has changed: preparing beside %s,"
                " which stays until `iicl prune` removes it",
                plan.out,
                header.get("data"),
            )
    except ValueError as error:
        logger.warning("%s; keeping what is whole and preparing the rest", error)
    return None


def _write_manifest(plan: _Plan, corpus: str, items: list[ManifestItem]) -> Manifest:
    """Writes the manifest over the rows of all shards."""
    if not any(item.views for item in items):
        reasons = sorted({item.reason for item in items})
        raise ValueError(
            f"nothing usable among the {len(items)} items of {plan.source}:"
            f" {'; '.join(reasons[:3])}"
        )
    if repeats := leaks.across_splits(items):
        fold, train_id, test_id = repeats[0]
        logger.warning(
            "the same bytes are in train and in test of one fold, for %d clips of test; the first:"
            " fold %s, train %r, test %r",
            len(repeats),
            fold,
            train_id,
            test_id,
        )
    mean, std = log_mel_statistics(items, plan.folder, plan.preparation)
    manifest = Manifest(
        corpus=corpus,
        reader=plan.reader,
        preparation=recipe.settings(plan.preparation),
        items=items,
        num_official=plan.listing.num_official,
        log_mel_mean=mean,
        log_mel_std=std,
        versions=recipe.versions(),
        source=plan.fingerprint,
        data=plan.folder.name,
    )
    manifest.write(plan.out)
    return manifest


@contextmanager
def _full_disk_in_words(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise OSError(
                error.errno, "the disk is full while preparing; run again when it is not", out
            ) from error
        raise


def _prepare_shards(
    plan: _Plan,
    shards: Sequence[Shard],
    others: Sequence[Path],
    num_workers: int,
    progress: Callable[[int, int], None] | None,
) -> list[ManifestItem]:
    """Prepares those of the shards that are not there or damaged, and reads the index of all."""
    plan.folder.mkdir(exist_ok=True)
    num_items = sum(len(shard.items) for shard in shards)
    num_done = 0

    def advance() -> None:
        nonlocal num_done
        num_done = min(num_done + 1, num_items)
        if progress is not None:
            progress(num_done, num_items)

    # The plan's own folder comes last: its shards are looked into only for what is damaged.
    folders = [folder for out in (plan.out, *others) for folder in shard_folders(out)]
    folders.sort(key=lambda folder: folder == plan.folder)
    earlier = Earlier.gather(plan.source, recipe.digest(plan.preparation), folders)
    function = functools.partial(prepare_shard, earlier=earlier)
    tallies = pool.run_batches(function, shards, min(num_workers, len(shards)), advance)
    tally: Counter[str] = sum(tallies, Counter())
    words = [
        f"{tally[what]:,} {what}"
        for what in ("decoded", "taken over", "already there", "missing or not readable")
        if tally[what] or what in ("decoded", "taken over")
    ]
    logger.info("%s: %s", plan.out, ", ".join(words))
    return [row for shard in shards for row in shard.rows()]
