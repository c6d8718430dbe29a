"""From raw batches to what a method takes."""

import torch

from iicl import views
from iicl.config import Clip
from iicl.data.loader import RawBatch
from iicl.data.view import View
from iicl.samples import Sample


def make_views(
    batch: RawBatch, clip: Clip, device: torch.device, chunk_size: int | None = None
) -> dict[str, torch.Tensor]:
    """The tensors that a method takes.

    Args:
        batch: B items with R crops each.
        clip: shape of the samples that have no shape of their own.
        device: where to compute and to leave the result.
        chunk_size: number of items that are computed together, 1 or more; None: all. The last bits
            of an item may depend on the items that are computed with it.

    Returns:
        Name of each sample -> (B R, ...) float32 or int64, see ``transform`` of its view in
        :mod:`iicl.views`. The R crops of an item follow each other; a view without crops repeats
        its rows.
    """
    made = {}
    for sample in batch.samples:
        rows = _transformed(batch, sample, clip, device, chunk_size or len(batch))
        if len(rows) < len(batch) * batch.num_crops:
            rows = rows.repeat_interleave(batch.num_crops, dim=0)
        made[sample.name] = rows
    return made


def _transformed(
    batch: RawBatch, sample: Sample, clip: Clip, device: torch.device, chunk_size: int
) -> torch.Tensor:
    """The rows of one sample, computed chunk by chunk."""
    view: View = views.get(sample.view)
    raw = batch.raw[sample.name]
    if chunk_size >= len(batch):
        return view.transform(raw, sample, clip, device)
    whole: torch.Tensor | None = None
    for start in range(0, len(batch), chunk_size):
        part = {name: tensor[start : start + chunk_size] for name, tensor in raw.items()}
        rows = view.transform(part, sample, clip, device)
        if whole is None:  # one tensor that the chunks fill, so that no second copy is needed
            per_item = len(rows) // chunk_size
            whole = rows.new_empty((len(batch) * per_item, *rows.shape[1:]))
        whole[start * per_item : start * per_item + len(rows)] = rows
    assert whole is not None
    return whole
