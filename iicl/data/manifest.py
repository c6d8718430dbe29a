"""What a corpus holds: the listing of an official layout, and the manifest of a prepared corpus."""

import dataclasses
import functools
import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from iicl.files import open_regular_file, write_atomically

FORMAT = 1  # version of manifest and shards; a corpus of another version is prepared again
MANIFEST_NAME = "manifest.jsonl"


@dataclass(frozen=True)
class SourceItem:
    """One entry of an official listing.

    Attributes:
        id: unique name in the corpus.
        path: the media file, or None if the list names a file that is not there.
        labels: class names, several if the corpus is multi-label.
        splits: fold number as text -> "train" or "test"; without the folds that do not use it.
        group: items cut from one recording share a group; train and test must not share one.
        start_seconds: start of the item in its file; None if the file is the item.
        end_seconds: end of the item in its file; None if the file is the item.
        sought: if the file is missing, "<names> in <folders>": what was looked for, and where
            below the source.
    """

    id: str
    path: Path | None
    labels: tuple[str, ...]
    splits: dict[str, str]
    group: str
    start_seconds: float | None = None
    end_seconds: float | None = None
    sought: str = ""


@dataclass(frozen=True)
class Listing:
    """All entries of a corpus, sorted by id, and how many its list files name per fold and split.

    Attributes:
        items: the entries, sorted by id, missing files included.
        num_official: "<fold>/<split>" -> number of entries in the list files.
    """

    items: list[SourceItem]
    num_official: dict[str, int]

    def __post_init__(self) -> None:
        ids = [item.id for item in self.items]
        assert ids == sorted(set(ids)), "items must be sorted by unique id"


class UnusableSource(Exception):
    """A source file gives neither video nor sound; the message becomes the reason of the item."""


@dataclass(frozen=True)
class ManifestItem:
    """One item of a prepared corpus and the place of its payload.

    The payload begins at ``offset`` of the shard. It holds ``num_frames`` packet sizes (uint32,
    little-endian), then the H.264 packets, then ``num_samples`` samples (int16, little-endian).

    Attributes:
        id: as in the listing, like labels, splits and group.
        labels: class names.
        splits: fold -> "train" or "test".
        group: items cut from one recording share a group.
        views: "video", "audio" or both; empty if the item is unusable.
        reason: why a view is absent or incomplete; empty if all is well.
        num_frames: frames on the uniform grid of ``fps``.
        fps: frames per second.
        height: of the stored frames, in pixels.
        width: of the stored frames, in pixels.
        num_samples: mono samples at the preparation's rate, from the time of the first frame.
        shard: number of the shard file.
        offset: first byte of the payload in the shard file.
        num_video_bytes: length of the packet sizes and the packets together.
        digest: sha256 of the payload; empty if the item is unusable.
    """

    id: str
    labels: tuple[str, ...]
    splits: dict[str, str]
    group: str
    views: tuple[str, ...] = ()
    reason: str = ""
    num_frames: int = 0
    fps: float = 0.0
    height: int = 0
    width: int = 0
    num_samples: int = 0
    shard: int = 0
    offset: int = 0
    num_video_bytes: int = 0
    digest: str = ""

    @property
    def num_bytes(self) -> int:
        """Length of the payload."""
        return self.num_video_bytes + 2 * self.num_samples

    def is_payload(self, content: bytes | memoryview) -> bool:
        """Whether these bytes are those that were stored for the item."""
        return payload_digest(content) == (self.digest or payload_digest(b""))

    def to_json(self) -> str:
        """One line of ASCII JSON."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_json(cls, line: str) -> "ManifestItem":
        """The inverse of :meth:`to_json`."""
        values = json.loads(line)
        return cls(**values | {"labels": tuple(values["labels"]), "views": tuple(values["views"])})


@dataclass(frozen=True)
class Manifest:
    """A prepared corpus: its items sorted by id, and what they were prepared from.

    Attributes:
        corpus: name of the corpus in tables and configurations.
        reader: name of the dataset reader that listed the source.
        preparation: every setting that shaped the payloads, :class:`iicl.config.Preparation`.
        items: sorted by id; unusable ones included, with their reasons.
        num_official: "<fold>/<split>" -> number of entries in the list files.
        log_mel_mean: mean of the default log-mel front end over the corpus; None without sound.
        log_mel_std: its standard deviation; None without sound.
        versions: library -> its version when the corpus was prepared.
        source: fingerprint of the source listing and the preparation.
        data: name of the folder that holds the shards.
        hash: sha256 over everything that training can see.
    """

    corpus: str
    reader: str
    preparation: dict[str, float | int]
    items: list[ManifestItem]
    num_official: dict[str, int]
    log_mel_mean: float | None
    log_mel_std: float | None
    versions: dict[str, str]
    source: str
    data: str
    hash: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "hash", _hash(self.preparation, self.items))

    @property
    def classes(self) -> list[str]:
        """Sorted labels of the usable items."""
        return sorted({label for item in self.items if item.views for label in item.labels})

    def header(self) -> dict[str, object]:
        """All fields but the items, and the numbers of items; "with_sound" counts both views."""
        usable = [item for item in self.items if item.views]
        fields = {
            f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "items"
        }
        counts = Counter(["all"] * len(usable))
        for item in usable:
            for fold, split in item.splits.items():
                counts[f"{fold}/{split}"] += 1
                counts[f"{fold}/{split}/with_sound"] += len(item.views) == 2
        sizes = {"num_items": len(self.items), "num_usable": len(usable), "counts": counts}
        return {"format": FORMAT} | fields | sizes

    def write(self, folder: Path) -> None:
        """Writes ``manifest.jsonl`` atomically: the header, then one item per line."""
        lines = [json.dumps(self.header()), *(item.to_json() for item in self.items)]
        text = "\n".join(lines) + "\n"
        write_atomically(folder / MANIFEST_NAME, text.encode("ascii"))

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """Reads and checks the manifest of a prepared corpus.

        Raises:
            ValueError: if there is none, or it is damaged or of another format.
        """
        header = read_header(folder)
        if header is None:
            raise ValueError(f"{folder} is no prepared corpus: it holds no {MANIFEST_NAME}")
        if header["format"] != FORMAT:
            raise ValueError(f"{folder} has format {header['format']}, not {FORMAT}: prepare again")
        names = {f.name for f in dataclasses.fields(cls) if f.init and f.name != "items"}
        try:
            with open_regular_file(folder / MANIFEST_NAME) as stream:
                next(stream)
                items = [ManifestItem.from_json(line.decode("ascii")) for line in stream]
            manifest = cls(**{name: header[name] for name in names}, items=items)
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise _damaged(folder, error) from error
        if manifest.hash != header["hash"]:
            raise _damaged(folder, "its items do not give its hash")
        return manifest


def _damaged(folder: Path, why: object) -> ValueError:
    return ValueError(f"{folder / MANIFEST_NAME} is damaged: {why}; remove it and prepare again")


def read_header(folder: Path) -> dict | None:
    """The manifest's first line, or None if ``folder`` is no prepared corpus.

    Raises:
        ValueError: if the line is damaged.
    """
    try:
        with open_regular_file(folder / MANIFEST_NAME) as stream:
            header = json.loads(stream.readline().decode("ascii"))
            header["format"]
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise _damaged(folder, error) from error
    return header


@functools.lru_cache(maxsize=4096)
def shard_path(folder: Path, number: int) -> Path:
    """File that holds the payloads of a shard."""
    return folder / f"{number:05d}.bin"


def index_path(folder: Path, number: int) -> Path:
    """File that holds the manifest rows of a shard."""
    return folder / f"{number:05d}.jsonl"


def origins_path(folder: Path, number: int) -> Path:
    """File that says what a shard's payloads were made from (:mod:`iicl.data.writing.reuse`)."""
    return folder / f"{number:05d}.origins"


def payload_digest(content: bytes | memoryview) -> str:
    """What :attr:`ManifestItem.digest` holds: sha256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def _hash(preparation: dict[str, float | int], items: list[ManifestItem]) -> str:
    """Sha256 over everything that training can see."""
    rows = [
        [i.id, i.labels, sorted(i.splits.items()), i.group, i.views, i.fps, i.digest] for i in items
    ]
    text = json.dumps([FORMAT, sorted(preparation.items()), rows])
    return hashlib.sha256(text.encode("ascii")).hexdigest()
