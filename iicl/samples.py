"""Named samples: what a method asks the loader for. Imports no torch.

A batch is a mapping from the names of samples to tensors. A name is a view, or a view and a word
after a colon: ``video``, ``video:1``, ``audio:late``. Each draws for itself unless it relates to
another sample.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Literal

from iicl import views

NAME = re.compile(r"\w+(:\w+)?")


@dataclass(frozen=True)
class Sample:
    """One of the tensors that a method takes of every item.

    Attributes:
        name: unique in a batch; the part before the colon is the view.
        item: "own": taken from the item itself or, with ``of``, from the item of that sample.
            "other": taken from another item. Each epoch draws a random cycle through all items for
            each name, and the sample comes from the next item in it; with ``of``, at the time that
            this next item draws for sample ``of``.
        time: "drawn": at a random time of its own. "with": aligned with sample ``of`` as
            ``clip.alignment`` says, then moved to lie within the item. "apart": it begins at least
            one window before or after sample ``of`` of the same item; the window is the longer one
            of the two. :func:`iicl.data.draws.has_room` says which items are long enough.
        of: name of an earlier sample. Or a view that is not asked for: its plain sample is drawn as
            if it were asked for. None with "drawn".
        stride: distance between its frames, as a multiple of that in the clip.
        num_frames: number of its frames; None: as the clip.
        size: height and width in pixels; None: as the clip.
        whole: an item that is shorter than the sample is left out, see
            :func:`iicl.data.draws.has_room`. Otherwise the frames of a short item start over.
        augmentation_of: name of an earlier sample; it shares the place of the crop, the flip and
            the jitter (or the gain) of that sample. None: an augmentation of its own.
    """

    name: str
    item: Literal["own", "other"] = "own"
    time: Literal["drawn", "with", "apart"] = "drawn"
    of: str | None = None
    stride: int = 1
    num_frames: int | None = None
    size: int | None = None
    whole: bool = False
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
DRAWS = Sample("draws")


def plain(view: str) -> Sample:
    """The plain sample of a view; if it has a time, it is at the time of the plain video."""
    if view == VIDEO.name or "time" not in views.get(view).TAKES:
        return Sample(view)
    return Sample(view, time="with", of=VIDEO.name)


def check_samples(samples: Sequence[Sample]) -> None:
    """Check that samples can be drawn together.

    Raises:
        ValueError: if there are no samples, two have the same name, a view is unknown, a view does
            not take a setting, or a sample does not relate to an earlier one.
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
    """The same samples with views of different items, for a control.

    Each sample that is "with" a sample of another view is taken from another item; so are the
    samples that relate to it.

    Raises:
        ValueError: if no sample changes, or two views are still taken from the same item.
    """
    changed: list[Sample] = []
    for sample in samples:
        is_pair = sample.time == "with" and sample.of and sample.of.split(":")[0] != sample.view
        if is_pair and not _is_of_another(sample.of, {other.name: other for other in changed}):
            sample = replace(sample, item="other")
        changed.append(sample)
    by_name = {sample.name: sample for sample in changed}
    timed = [sample for sample in changed if "time" in views.get(sample.view).TAKES]
    own = {sample.view for sample in timed if not _is_of_another(sample.name, by_name)}
    if changed == list(samples) or len(own) > 1:
        raise ValueError(
            "shuffled pairs need samples of two views, of which one is 'with' the other, got"
            f" {', '.join(sample.name for sample in samples)}"
        )
    return tuple(changed)


def drawn_views(samples: Sequence[Sample]) -> tuple[str, ...]:
    """Views that the draws of samples depend on, sorted: their own, and those they relate to."""
    names = [sample.name for sample in samples]
    drawn = list(samples)
    for sample in drawn:  # which grows by the plain samples that are related to and not asked for
        for name in (sample.of, sample.augmentation_of):
            if name is not None and name not in names:
                names.append(name)
                drawn.append(plain(name))
    return tuple(sorted({sample.view for sample in drawn}))


def required_views(samples: Sequence[Sample], silent: str) -> list[str]:
    """Views that an item must have to be read, sorted, by the names that a corpus uses.

    Args:
        samples: the samples asked for.
        silent: "zero" if zeros are read where an item lacks a view and the view allows it (sound),
            else "error".
    """
    asked = [views.get(sample.view) for sample in samples]
    return sorted(
        {v.REQUIRES for v in asked if v.REQUIRES and not (v.MAY_LACK and silent == "zero")}
    )


def _check_settings(sample: Sample) -> None:
    """The name and each setting have a legal value and mean something to the view."""
    if not NAME.fullmatch(sample.name):
        raise ValueError(
            f"sample {sample.name!r}: a name is VIEW or VIEW:WORD, of letters, digits and _"
        )
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
        if value is not None and (not isinstance(value, int) or value < 1):
            raise ValueError(
                f"sample {sample.name!r}: {name} must be a whole number of 1 or more, got {value!r}"
            )


def _check_relation(sample: Sample, earlier: Sequence[Sample], names: Sequence[str]) -> None:
    """The samples that it names come earlier, and can be related to it."""
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
                f"sample {sample.name!r}: item 'other' needs an 'of' in the own item,"
                f" got {sample.of!r}"
            )


def _can_be_meant(name: str, needed: str, by_name: dict[str, Sample], names: Sequence[str]) -> bool:
    """Whether a name is an earlier sample, or a view whose plain sample is not asked for."""
    if name in by_name:
        return needed in views.get(by_name[name].view).TAKES
    return name not in names and name in views.names() and needed in views.get(name).TAKES


def _is_of_another(name: str | None, by_name: dict[str, Sample]) -> bool:
    """Whether a sample is taken from another item, by itself or by the sample it relates to."""
    while name in by_name:
        if by_name[name].item == "other":
            return True
        name = by_name[name].of
    return False
