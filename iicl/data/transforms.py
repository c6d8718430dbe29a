"""From raw batches to what a method takes."""

import torch

from iicl import views
from iicl.config import Clip
from iicl.data.loader import RawBatch
from iicl.data.view import View


def make_views(
    batch: RawBatch, clip: Clip, device: torch.device, chunk_size: int | None = None
) -> dict[str, torch.Tensor]:
    """The tensors that a method takes.

    Args:
        batch: B items with R crops each.
        clip: the shape of samples that have none of their own.
        device: where to compute and to leave the result.
        chunk_size: items made together, 1 or more; None: all. The last bits of an item may
            depend on those it is made with.

    Returns:
        Name of each sample -> (B R, ...) float32 or int64, see ``transform`` of its view in
        :mod:`iicl.views`. The R crops of an item follow each other; what has no crops is repeated.
    """
    step = chunk_size or len(batch)
    made = {}
    for sample in batch.samples:
        view: View = views.get(sample.view)
        whole: torch.Tensor | None = None
        for start in range(0, len(batch), step):
            part = slice(start, start + step)
            raw = {name: tensor[part] for name, tensor in batch.raw[sample.name].items()}
            rows = view.transform(raw, sample, clip, device)
            num_items = min(step, len(batch) - start)
            per_item = len(rows) // num_items
            assert len(rows) == per_item * num_items, (sample.name, rows.shape)
            if whole is None:  # filled part by part, so that no two copies of a batch exist
                whole = rows.new_empty((len(batch) * per_item, *rows.shape[1:]))
            whole[start * per_item : start * per_item + len(rows)] = rows
        assert whole is not None
        made[sample.name] = (
            whole
            if len(whole) == len(batch) * batch.num_crops
            else whole.repeat_interleave(batch.num_crops, dim=0)
        )
    return made
