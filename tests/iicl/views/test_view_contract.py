"""What every view promises, whatever it reads: one file in ``iicl/views`` and it is tested."""

import os
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch

from iicl import encoders, views
from iicl.config import NO_AUGMENTATION, Augmentation, Clip
from iicl.data.draws import Contents
from iicl.data.loader import make_loader
from iicl.data.sampling import Batching, Share
from iicl.data.store import PreparedCorpus
from iicl.data.transforms import make_views
from iicl.samples import Sample, check_samples, plain, required_views

CLIP = Clip(num_frames=4, fps=8.0, size=16, audio_seconds=1.0, spectrogram_frames=50)
HOW = Batching("random", batch_size=6, chunk_size=2, seed=3, epochs=range(2), drop_last=True)
CPU = torch.device("cpu")
SETTINGS = {"item": "other", "stride": 2, "num_frames": 3, "size": 10}
pytestmark = pytest.mark.parametrize("name", views.names())


@pytest.fixture
def corpus(corpora: dict[str, Path]) -> PreparedCorpus:
    """A small corpus some of whose items are silent."""
    return PreparedCorpus.open(corpora["ucf101"])


def read(corpus, sample, how=HOW, augmentation=None, num_workers=0, chunk_size=2):  # type: ignore[no-untyped-def]
    """The view's tensor of each batch."""
    augmentation = augmentation or Augmentation()
    contents = Contents(CLIP, (sample,), augmentation)
    positions = corpus.select(required_views([sample], "error"))[:15]
    loader = make_loader(corpus, positions, contents, how, num_workers=num_workers)
    return [make_views(batch, CLIP, CPU, chunk_size)[sample.name] for batch in loader]


def test_it_says_what_it_is(corpus: PreparedCorpus, name: str) -> None:
    view = views.get(name)
    assert isinstance(view.REQUIRES, str | None)
    assert (view.ENCODER is None) == (view.INPUT is None)
    assert view.ENCODER is None or encoders.settings_class(view.ENCODER).INPUT == view.INPUT
    assert isinstance(view.MAY_LACK, bool)
    assert {field.name for field in fields(Sample)} - {"name"} >= view.TAKES
    item = corpus.manifest.items[corpus.select(["video", "audio"])[0]]
    extent = view.extent(item, plain(name), CLIP)
    assert (extent is None) == ("time" not in view.TAKES)
    assert extent is None or min(extent) > 0
    for function in (view.prepare, view.read, view.transform):
        assert function.__doc__


def test_planning_reads_its_constants_without_torch(name: str) -> None:
    code = (
        "import sys; from iicl import views; view = views.get(sys.argv[1]);"
        "view.REQUIRES, view.ENCODER, view.INPUT, view.TAKES;"
        "print(sorted({'torch', 'torchaudio', 'av'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, name],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(Path(views.__file__).parents[2])},
    )
    assert done.stdout.strip() == "[]"


def test_it_refuses_the_settings_that_it_does_not_take(name: str) -> None:
    view = views.get(name)
    for setting, value in SETTINGS.items():
        sample = replace(Sample(name), **{setting: value})  # type: ignore[arg-type]
        if setting in view.TAKES:
            check_samples([sample])
        else:
            with pytest.raises(ValueError, match=f"view {name} takes no {setting}"):
                check_samples([sample])


def test_a_batch_has_a_row_for_every_item(corpus: PreparedCorpus, name: str) -> None:
    batches = read(corpus, plain(name))
    assert [len(rows) for rows in batches] == [6, 6, 6, 6]
    for rows in batches:
        assert rows.dtype in (torch.float32, torch.int64)
        assert rows.isfinite().all()
    assert len(torch.cat(batches).unique(dim=0)) > 1, "items differ"


def test_crops_of_an_item_follow_each_other(corpus: PreparedCorpus, name: str) -> None:
    how = Batching("uniform", batch_size=4, num_crops=3)
    crops = read(corpus, plain(name), how, NO_AUGMENTATION)[0]
    whole = read(corpus, plain(name), replace(how, num_crops=1), NO_AUGMENTATION)[0]
    assert len(crops) == 12
    torch.testing.assert_close(crops[1::3], whole)  # the central one
    at_once = read(corpus, plain(name), how, NO_AUGMENTATION, chunk_size=None)[0]
    torch.testing.assert_close(crops, at_once)


def test_chunks_are_parts_of_the_whole(corpus: PreparedCorpus, name: str) -> None:
    whole = read(corpus, plain(name), chunk_size=None)
    for chunk_size in (1, 4):
        for rows, expected in zip(
            read(corpus, plain(name), chunk_size=chunk_size), whole, strict=True
        ):
            torch.testing.assert_close(rows, expected)


def test_workers_change_no_bit(corpus: PreparedCorpus, name: str) -> None:
    alone = read(corpus, plain(name))
    for rows, expected in zip(read(corpus, plain(name), num_workers=2), alone, strict=True):
        assert torch.equal(rows, expected)


def test_shares_put_together_are_the_whole(corpus: PreparedCorpus, name: str) -> None:
    whole = read(corpus, plain(name))
    shares = [read(corpus, plain(name), replace(HOW, share=Share(rank, 3))) for rank in range(3)]
    for *parts, expected in zip(*shares, whole, strict=True):
        assert torch.equal(torch.cat(parts), expected)


def test_an_interrupted_reading_goes_on_with_the_same_bits(
    corpus: PreparedCorpus, name: str
) -> None:
    whole = read(corpus, plain(name))
    for rows, expected in zip(
        read(corpus, plain(name), replace(HOW, start_step=1)), whole[1:], strict=True
    ):
        assert torch.equal(rows, expected)


def test_an_item_without_it_is_refused(corpus: PreparedCorpus, name: str) -> None:
    required = views.get(name).REQUIRES
    if required is None:
        return
    items = list(corpus.manifest.items)
    items[0] = replace(items[0], labels=(), views=tuple({"video", "audio"} - {required}))
    lacking = PreparedCorpus(corpus.path, replace(corpus.manifest, items=items))
    with pytest.raises(ValueError, match=rf"1 items lack one of \['{required}'\]"):
        make_loader(lacking, [0, 1], Contents(CLIP, (plain(name),)), HOW)


def test_a_second_sample_of_it_is_another_tensor(corpus: PreparedCorpus, name: str) -> None:
    first, second = plain(name), replace(plain(name), name=f"{name}:1")
    assert second.view == name
    contents = Contents(CLIP, (first, second), Augmentation())
    (batch, *_) = make_loader(corpus, corpus.select(["video", "audio"])[:15], contents, HOW)
    made = make_views(batch, CLIP, CPU)
    assert list(made) == [name, f"{name}:1"]
    assert made[name].shape == made[f"{name}:1"].shape
    # What has no draw is the same; a draw of its own is another one.
    is_the_same = "time" not in views.get(name).TAKES and name != "draws"
    assert torch.equal(made[name], made[f"{name}:1"]) == is_the_same
