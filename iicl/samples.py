"""Named samples: what a method asks the loader for. Imports no torch.

A batch is a mapping from the names of samples to tensors. A name is a view, or a view and a word
after a colon: ``video``, ``video:1``, ``audio:late``. Each draws for itself unless it relates to
another sample.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Literal

from iicl import views


@dataclass(frozen=True)
class Sample:
    """One of the tensors that a method takes of every item.

    Attributes:
        name: unique in a batch; what stands before its colon is the view.
        item: "own": of the item itself or, with ``of``, of the item that sample is taken from;
            "other": of another item of the epoch, one random cycle per epoch and name.
        time: "drawn": at a time of its own. "with": aligned with sample ``of`` as
            ``clip.alignment`` says, and moved to lie within the item. "apart": in the same item as
            sample ``of``, its start at least one window before or after that sample's start; the
            window is the longer of the two.
        of: name of the sample it relates to: an earlier one, or a view, whose plain sample is then
            drawn as if it were asked for; None with "drawn".
        stride: its frames are so many times as far apart as those of the clip.
        num_frames: None: as many as the clip has.
        size: height and width in pixels; None: those of the clip.
        augmentation_of: name of an earlier sample whose place of the crop, flip and jitter (or
            gain) it shares; None: its own.
    """

    name: str
    item: Literal["own", "other"] = "own"
    time: Literal["drawn", "with", "apart"] = "drawn"
    of: str | None = None
    stride: int = 1
    num_frames: int | None = None
    size: int | None = None
    augmentation_of: str | None = None

    @property
    def view(self) -> str:
        """The part of the name before the colon."""
        return self.name.split(":")[0]


VIDEO = Sample("video")
AUDIO = Sample("audio", time="with", of="video")
LABEL = Sample("label")
INDEX = Sample("index")
SOURCE = Sample("source")


def plain(view: str) -> Sample:
    """The sample of a view with a time that has no word of its own: at the time of the video."""
    return VIDEO if view == VIDEO.name else Sample(view, time="with", of=VIDEO.name)


def check_samples(samples: Sequence[Sample]) -> None:
    """Check that samples can be drawn together.

    Raises:
        ValueError: if there is none, two have one name, a view is unknown or does not take a
            setting, or a relation is not to an earlier sample.
    """
    if not samples:
        raise ValueError("no samples are asked for")
    names = [sample.name for sample in samples]
    for place, sample in enumerate(samples):
        if sample.name in names[:place]:
            raise ValueError(f"two samples have the name {sample.name!r}; names must be unique")
        _check_settings(sample)
        _check_relation(sample, samples[:place], names)


def shuffled(samples: Sequence[Sample]) -> tuple[Sample, ...]:
    """The samples with each that is "with" one of another view taken from another item.

    Raises:
        ValueError: if there is no such sample.
    """
    changed: list[Sample] = []
    for sample in samples:
        is_pair = sample.time == "with" and sample.of and sample.of.split(":")[0] != sample.view
        if is_pair and not _is_of_another(sample.of, {other.name: other for other in changed}):
            sample = replace(sample, item="other")
        changed.append(sample)
    if changed == list(samples):
        raise ValueError(
            "shuffled pairs need a sample that is 'with' one of another view, got"
            f" {', '.join(sample.name for sample in samples)}"
        )
    return tuple(changed)


def required_views(samples: Sequence[Sample], silent: str) -> list[str]:
    """What an item must have to be read, as :meth:`PreparedCorpus.select` calls it; sorted.

    Args:
        samples: what is asked for.
        silent: "zero" if a view that may be lacking (sound) is then read as zeros, else "error".
    """
    asked = [views.get(sample.view) for sample in samples]
    return sorted(
        {v.REQUIRES for v in asked if v.REQUIRES and not (v.MAY_LACK and silent == "zero")}
    )


def _check_settings(sample: Sample) -> None:
    """Each setting has a legal value and means something to the view."""
    takes = views.get(sample.view).TAKES
    for field in fields(sample):
        value = getattr(sample, field.name)
        if field.name != "name" and value != field.default and field.name not in takes:
            settings = ", ".join(sorted(takes)) or "none"
            raise ValueError(
                f"sample {sample.name!r}: view {sample.view} takes no {field.name}"
                f" (got {value!r}); settings of the view: {settings}"
            )
    for name, legal in (("item", ("own", "other")), ("time", ("drawn", "with", "apart"))):
        if getattr(sample, name) not in legal:
            raise ValueError(
                f"sample {sample.name!r}: {name} must be one of {', '.join(legal)},"
                f" got {getattr(sample, name)!r}"
            )
    for name in ("stride", "num_frames", "size"):
        value = getattr(sample, name)
        if value is not None and value < 1:
            raise ValueError(f"sample {sample.name!r}: {name} must be at least 1, got {value}")


def _check_relation(sample: Sample, earlier: Sequence[Sample], names: Sequence[str]) -> None:
    """What it refers to comes earlier, and the two can be related."""
    by_name = {other.name: other for other in earlier}
    if (sample.of is None) != (sample.time == "drawn"):
        raise ValueError(
            f"sample {sample.name!r}: time {sample.time!r} and of {sample.of!r} do not go together;"
            " 'drawn' takes no 'of', 'with' and 'apart' need one"
        )
    for setting, needed in (("of", "time"), ("augmentation_of", "augmentation_of")):
        name = getattr(sample, setting)
        if name is None or _can_be_meant(name, needed, by_name, names):
            continue
        legal = [n for n in by_name if needed in views.get(by_name[n].view).TAKES]
        raise ValueError(
            f"sample {sample.name!r}: {setting} must name an earlier sample that takes {needed},"
            f" got {name!r}; there are: {', '.join(legal) or 'none'}"
        )
    if sample.item == "other":
        if sample.time == "apart":
            raise ValueError(f"sample {sample.name!r}: 'apart' is in the same item, not another")
        if _is_of_another(sample.of, by_name):
            raise ValueError(
                f"sample {sample.name!r}: item 'other' needs an 'of' that is of the own item,"
                f" got {sample.of!r}"
            )


def _can_be_meant(name: str, needed: str, by_name: dict[str, Sample], names: Sequence[str]) -> bool:
    """Whether it is an earlier sample, or the plain sample of a view that nobody asked for."""
    if name in by_name:
        return needed in views.get(by_name[name].view).TAKES
    return name not in names and name in views.names() and needed in views.get(name).TAKES


def _is_of_another(name: str | None, by_name: dict[str, Sample]) -> bool:
    """Whether a sample, or what it relates to, is of another item."""
    while name in by_name:
        if by_name[name].item == "other":
            return True
        name = by_name[name].of
    return False
